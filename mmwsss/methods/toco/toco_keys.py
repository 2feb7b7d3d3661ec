# Licensed under Apache-2.0.
"""Key map of ToCo's released checkpoints. Pure: dict in, dict out."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mmwsss.models.converters.vit_keys import Rules, convert_timm_vit, rename_keys

#: the rest of ToCo's released checkpoints; the encoder's keys follow `TIMM_VIT`
TOCO_HEADS: Rules = (
    (r'proj_head\.(mlp\.\d+\.\w+|last_layer\.weight_[gv])', r'proj_head.\1'),
    (
        r'proj_head_t\.(mlp\.\d+\.\w+|last_layer\.weight_[gv])',
        r'proj_head_ema.module.\1',
    ),
    (r'decoder\.(conv[67])\.weight', r'decode_head.\1.weight'),
    (r'decoder\.conv8\.weight', r'decode_head.conv_seg.weight'),
    (r'classifier\.weight', r'cam_head.classifier.weight'),
    (r'aux_classifier\.weight', r'aux_cam_head.classifier.weight'),
)


def convert_toco(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """ToCo's released checkpoints → keys of :class:`~mmwsss.methods.toco.toco.ToCo`.

    The DDP prefix ``module.`` and the unused ImageNet classifier are dropped.

    Raises:
        ValueError: if a key isn't of that layout.
    """
    state = {key.removeprefix('module.'): value for key, value in state.items()}
    encoder = {
        k.removeprefix('encoder.'): v
        for k, v in state.items()
        if k.startswith('encoder.')
    }
    heads = {k: v for k, v in state.items() if not k.startswith('encoder.')}
    backbone = {f'backbone.{k}': v for k, v in convert_timm_vit(encoder).items()}
    return backbone | rename_keys(heads, TOCO_HEADS)
