# Licensed under Apache-2.0.
"""Key map of MoRe's released checkpoints. Pure: dict in, dict out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmwsss.models.converters.vit_keys import Rules, convert_timm_vit, rename_keys

MORE_HEADS: Rules = (
    (r'graph_layer\._fc1\.0\.(weight|bias)', None),  # never called
    (r'graph_layer\.(\w+_proj|linear\d|norm)\.(weight|bias)', r'graph.\1.\2'),
    (r'decoder\.(conv[67])\.weight', r'decode_head.\1.weight'),
    (r'decoder\.conv8\.weight', r'decode_head.conv_seg.weight'),
    (r'classifier\.weight', r'cam_head.classifier.weight'),
    (r'aux_classifier\.weight', r'aux_cam_head.classifier.weight'),
)


def convert_more(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """MoRe's released checkpoints → keys of :class:`~mmwsss.methods.more.more.MoRe`.

    Those of COCO nest the weights under ``model_state_dict``. The DDP prefix
    ``module.``, the unused ImageNet classifier and a layer of the graph that is never
    called are dropped.

    Raises:
        ValueError: if a key isn't of that layout. (The graph of the first public code
            is another network.)
    """
    weights = state.get('model_state_dict', state)
    weights = {key.removeprefix('module.'): value for key, value in weights.items()}
    old = [k for k in weights if k.startswith(('graph_layer.W_', 'graph_layer.gate_'))]
    if old:
        raise ValueError(
            f'{old[0]} is of the first public code of MoRe (December 2024), whose '
            'graph layer is another one: there is no place for it'
        )
    encoder = {
        key.removeprefix('encoder.'): value
        for key, value in weights.items()
        if key.startswith('encoder.')
    }
    heads = {k: v for k, v in weights.items() if not k.startswith('encoder.')}
    ours = {f'backbone.{k}': v for k, v in convert_timm_vit(encoder).items()}
    return ours | rename_keys(heads, MORE_HEADS)
