# Licensed under Apache-2.0.
"""Key map from the layout of FSR's released code to ours. Pure: dict in, dict out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmwsss.models.converters.vit_keys import Rules, convert_timm_vit, rename_keys

#: the terms of self-distillation, whose centres the release doesn't save
CENTERS = ('losses.unc.center', 'losses.cer.center')

#: what the encoder has beside a plain ViT; gamma: first public release only
ENCODER: Rules = (
    (r'cls_token', 'aggregation.cls_token'),
    (r'mask_token', 'mask_token'),
    (r'cls_blocks\.(\d+)\.(gamma[12])', r'aggregation.blocks.\1.\2'),
    (
        r'cls_blocks\.(\d+)\.(norm[12]|attn\.(?:q|k|v|proj)|mlp\.fc[12])\.(weight|bias)',
        r'aggregation.blocks.\1.\2.\3',
    ),
)
HEADS: Rules = (
    (
        r'projector\.(mlp\.\d+\.(?:weight|bias)|last_layer\.weight_[gv])',
        r'proj_head.\1',
    ),
    (
        r'projector\.last_layer\.parametrizations\.weight\.original0',
        'proj_head.last_layer.weight_g',
    ),
    (
        r'projector\.last_layer\.parametrizations\.weight\.original1',
        'proj_head.last_layer.weight_v',
    ),
    (r'decoder\.(conv[67])\.weight', r'decode_head.\1.weight'),
    (r'decoder\.conv8\.weight', r'decode_head.conv_seg.weight'),
    (r'top_classifier\.weight', r'cam_head.classifier.weight'),
    (r'aux_classifier\.weight', r'aux_cam_head.classifier.weight'),
)


def convert_fsr_network(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One network of FSR's release → keys of the student of our model.

    The unused class slot of the position embedding is dropped.

    Raises:
        ValueError: if a key isn't of that layout.
    """
    encoder = {
        k.removeprefix('encoder.'): v
        for k, v in state.items()
        if k.startswith('encoder.')
    }
    own = {
        k: v
        for k, v in encoder.items()
        if k.startswith(('cls_token', 'mask_token', 'cls_blocks.'))
    }
    trunk = convert_timm_vit({k: v for k, v in encoder.items() if k not in own})
    if 'pos_embed' in trunk:
        trunk['pos_embed'] = trunk['pos_embed'][:, 1:]
    heads = {k: v for k, v in state.items() if not k.startswith('encoder.')}
    backbone = trunk | rename_keys(own, ENCODER)
    return {f'backbone.{k}': v for k, v in backbone.items()} | rename_keys(heads, HEADS)


def convert_fsr(
    student: Mapping[str, Tensor], teacher: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """FSR's ``student.pth`` and ``teacher.pth`` → keys of ``FSR``.

    Args:
        student: its file.
        teacher: its file; ``None``: the teacher is a copy of the student, as at the
            start of training.

    Raises:
        ValueError: if a key isn't of that layout.
    """
    ours = convert_fsr_network(student)
    copied = convert_fsr_network(student if teacher is None else teacher)
    for key, value in copied.items():
        part, name = key.split('.', 1)
        ours[f'{part}_ema.module.{name}'] = value
    outputs = ours.get('proj_head.last_layer.weight_g')
    if outputs is None:
        raise ValueError(
            'the student has no projector.last_layer: is it a checkpoint of FSR?'
        )
    return ours | {key: torch.zeros(len(outputs)) for key in CENTERS}
