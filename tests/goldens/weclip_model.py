# Licensed under Apache-2.0.
"""WeCLIP's tiny reference networks, built from what a file says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.registry import init_default_scope
from torch import Tensor

from mmwsss.methods.weclip.weclip import WeCLIP
from mmwsss.methods.weclip.weclip_keys import convert_weclip
from mmwsss.models.converters.clip_keys import convert_clip_vision
from mmwsss.registry import MODELS
from tests.goldens.toco_model import close, state_dict

__all__ = ['close', 'pad_slots', 'state_dict', 'tiny_weclip', 'vit_cfg']

CAM = dict(scales=(1.0,), mirror=False, pair='mean', normalise='ready')


def vit_cfg(data: dict[str, np.ndarray], **settings: Any) -> dict[str, Any]:
    """The config of the encoder; positions in full precision, as the arrays are."""
    width, heads, layers, grid, embed, patch = (
        int(data[name])
        for name in ('width', 'heads', 'layers', 'grid', 'embed', 'patch')
    )
    arch = dict(
        embed_dims=width,
        num_layers=layers,
        num_heads=heads,
        feedforward_channels=4 * width,
    )
    sizes = dict(img_size=grid * patch, patch_size=patch, text_dims=embed)
    return dict(type='CLIPViT', arch=arch, position_rounding='none') | sizes | settings


def tiny_weclip(
    data: dict[str, np.ndarray], kind: str = 'WeCLIP', **settings: Any
) -> WeCLIP:
    """The network with the file's weights (through the key maps) and constants.

    Args:
        data: a file with ``sd.*``.
        kind: the class.
        **settings: laid over the config of the model.
    """
    init_default_scope('mmwsss')
    cfg = dict(
        type=kind,
        num_classes=int(data['num_classes']),
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        backbone=vit_cfg(data),
        clip=dict(num_background=len(data['bg_text'])),
        decode_head=dict(
            type='FusedTokenHead',
            channels=int(data['dim']),
            depth=int(data['decoder_blocks']),
            num_heads=int(data['decoder_heads']),
            dropout_ratio=0.0,
        ),
        affinity_radius=int(data['radius']),
        labeler=dict(
            type='BackgroundPowerLabeler',
            alpha=1.0,
            refiner=dict(
                type='PAR',
                num_iters=int(data['par_iterations']),
                downscale=1,
                whole_levels=False,
            ),
        ),
        losses=dict(
            seg=dict(type='BalancedCrossEntropy'), aff=dict(type='AffinityLoss')
        ),
    )
    model = MODELS.build(cfg | settings)
    ours = convert_weclip(state_dict(data))
    model.load_state_dict(ours, strict=True)
    fill_clip(model, data)
    return model


def fill_clip(model: WeCLIP, data: dict[str, np.ndarray]) -> None:
    """The frozen encoder and its texts."""
    encoder = {
        name.removeprefix('encoder.'): value
        for name, value in state_dict(data).items()
        if name.startswith('encoder.')
    }
    state = {f'backbone.{k}': v for k, v in convert_clip_vision(encoder).items()}
    state |= {
        'texts.foreground': torch.from_numpy(data['fg_text']),
        'texts.background': torch.from_numpy(data['bg_text']),
        'texts.logit_scale': encoder['logit_scale'],
    }
    model.frozen.fill(state)


def pad_slots(maps: np.ndarray, counts: np.ndarray) -> Tensor:
    """Maps of all images in a row (n, h, w) → (B, K, h, w), 0 in unused slots."""
    parts = torch.from_numpy(maps).split(counts.tolist())
    out = torch.zeros(len(parts), int(max(counts)), *maps.shape[1:])
    for row, part in zip(out, parts, strict=True):
        row[: len(part)] = part
    return out
