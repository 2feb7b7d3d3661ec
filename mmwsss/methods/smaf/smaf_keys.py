# Licensed under Apache-2.0.
"""Weights of SMAF's released code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmwsss.models.converters.vit_keys import Rules, rename_keys
from mmwsss.models.converters.wide_resnet_keys import PUBLIC_WR38

SMAF_HEAD: Rules = (
    (r'cov_feat\.weight', r'cam_head.projection.weight'),
    (r'bn\.(\w+)', r'cam_head.norm.\1'),
    (r'fc8\.weight', r'cam_head.classifier.weight'),
)
#: where the file keeps the weights
SMAF_NETWORK = 'Net'


def convert_smaf(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """SMAF's checkpoint → keys of ``EPS``, ``ProjectedCAMHead``.

    Args:
        content: the file, ``{'Net': {'model_state': …}, …}`` (what else it holds,
            prototypes and the iteration, is left out), or the weights themselves. The
            DDP prefix ``module.`` is dropped.

    Raises:
        ValueError: if a key isn't of that layout.
    """
    if isinstance(content.get(SMAF_NETWORK), Mapping):
        content = content[SMAF_NETWORK].get('model_state', {})
    state = {key.removeprefix('module.'): value for key, value in content.items()}
    if 'cov_feat.weight' not in state:
        raise ValueError(
            f'cov_feat.weight is missing (neither at top level nor in {SMAF_NETWORK}/'
            'model_state): it is no checkpoint of SMAF. One of EPS is converted by '
            'tools/model_converters/wide_resnet38.py --eps'
        )
    head = {
        k: v
        for k, v in state.items()
        if k.partition('.')[0] in ('cov_feat', 'bn', 'fc8')
    }
    backbone = rename_keys(
        {k: v for k, v in state.items() if k not in head}, PUBLIC_WR38
    )
    return {f'backbone.{k}': v for k, v in backbone.items()} | rename_keys(
        head, SMAF_HEAD
    )
