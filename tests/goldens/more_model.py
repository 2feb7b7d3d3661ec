# Licensed under Apache-2.0.
"""MoRe's tiny reference network, built from what a file says of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmwsss.methods.more.more import MoRe
from mmwsss.methods.more.more_keys import convert_more
from mmwsss.structures import ImageLabels
from tests.goldens.seco_model import below, cases, equal, tensors
from tests.goldens.toco_model import LOSSES, close

__all__ = ['below', 'cases', 'close', 'equal', 'labels_of', 'tensors', 'tiny_more']


def labels_of(multi_hot: np.ndarray) -> ImageLabels:
    """Image labels of (B, C) ones and zeros."""
    lists = [np.flatnonzero(row).tolist() for row in multi_hot]
    return ImageLabels.from_lists(lists, multi_hot.shape[1])


def tiny_more(
    data: dict[str, np.ndarray],
    prefix: str = 'sd.',
    thresholds: tuple[float, float] = (0.25, 0.7),
    backbone: dict[str, Any] | None = None,
    **train_cfg: Any,
) -> MoRe:
    """The network of ``meta``, with the file's weights (through the converter).

    Args:
        data: a file with ``meta`` and weights.
        prefix: of the weights.
        thresholds: of the labeler, the low and the high one.
        backbone: settings beside those of ``meta``.
        **train_cfg: of the model.
    """
    width, depth, heads, patch, grid, classes, hidden = map(int, data['meta'])
    state = tensors(below(data, prefix))
    mlp = len(state['encoder.blocks.0.mlp.fc1.weight'])
    tokens = state['encoder.cls_token'].shape[1]
    model = MoRe(
        num_classes=classes,
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        backbone=dict(
            type='TokenPerClassViT',
            spare_tokens=tokens - (classes - 1),
            img_size=grid * patch,
            patch_size=patch,
            out_indices=(max(depth - 3, 0), depth - 1),
            arch=dict(
                embed_dims=width,
                num_layers=depth,
                num_heads=heads,
                feedforward_channels=mlp,
            ),
            **(backbone or {}),
        ),
        graph=dict(type='CategoryGraph'),
        cam_head=dict(type='CAMHead'),
        aux_cam_head=dict(type='CAMHead', in_index=0),
        decode_head=dict(type='LargeFOVHead', channels=hidden, dilation=5),
        labeler=dict(
            type='TwoThresholdLabeler',
            low_thr=thresholds[0],
            high_thr=thresholds[1],
            refiner=dict(type='PAR'),
        ),
        losses=LOSSES
        | dict(
            mct=dict(type='ClassTokenSeparation'),
            cle=dict(type='CertainTokenLoss', temperature=0.5),
            une=dict(type='UncertainTokenLoss'),
        ),
        train_cfg=dict(dict(weights={}), **train_cfg),
    )
    model.load_state_dict(convert_more(state), strict=True)
    return model
