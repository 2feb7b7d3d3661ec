# Licensed under Apache-2.0.
"""The tiny reference CLIP, built from what a file says of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmwsss.models.backbones.clip_vit import CLIPViT
from mmwsss.models.converters.clip_keys import convert_clip_vision
from tests.goldens.toco_model import close, state_dict

__all__ = ['close', 'image_cases', 'map_first', 'state_dict', 'tiny_clip', 'vit_cfg']


def vit_cfg(data: dict[str, np.ndarray], **settings: Any) -> dict[str, Any]:
    """The config of the tower; positions in full precision, as most arrays are."""
    width, heads, layers, grid, embed, patch = (
        int(data[name])
        for name in ('width', 'heads', 'layers', 'grid', 'embed', 'patch')
    )
    return dict(
        type='CLIPViT',
        arch=dict(
            embed_dims=width,
            num_layers=layers,
            num_heads=heads,
            feedforward_channels=4 * width,
        ),
        img_size=grid * patch,
        patch_size=patch,
        text_dims=embed,
        **dict(dict(position_rounding='none'), **settings),
    )


def tiny_clip(data: dict[str, np.ndarray], **settings: Any) -> CLIPViT:
    """The vision tower with the file's weights (through the key map)."""
    cfg = vit_cfg(data, **settings)
    cfg.pop('type')
    model = CLIPViT(**cfg)
    model.load_state_dict(convert_clip_vision(state_dict(data)), strict=True)
    return model


def image_cases(data: dict[str, np.ndarray]) -> list[str]:
    """Names of the pictures that a file holds."""
    found = [name.removesuffix('_image') for name in data if name.endswith('_image')]
    assert found
    return found


def map_first(tokens: np.ndarray, grid: tuple[int, int]) -> Tensor:
    """Patches of a stored stream (1 + N, B, D) → (B, D, h, w)."""
    return torch.from_numpy(tokens)[1:].permute(1, 2, 0).unflatten(2, grid)
