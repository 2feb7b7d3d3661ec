# Licensed under Apache-2.0.
"""Key map of DINOv2's public files. Pure: dict in, dict out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .vit_keys import TIMM_VIT, Rules, rename_keys, unwrap_vit

DINOV2: Rules = (
    (r'mask_token', None),  # of its pre-training
    (r'register_tokens', r'register_tokens'),
    (r'blocks\.(\d+)\.ls1\.gamma', r'layers.\1.attn.gamma1.weight'),
    (r'blocks\.(\d+)\.ls2\.gamma', r'layers.\1.ffn.gamma2.weight'),
    *TIMM_VIT,
)


def unwrap_dinov2(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """DINOv2's weights in any layout → keys of :class:`.DINOv2ViT`.

    Args:
        state: the loaded file: bare tensors under DINOv2's names, or what
            :func:`.unwrap_vit` reads.

    Raises:
        ValueError: if the names are of no known layout.
    """
    names = set(state)
    if any(name.endswith('ls1.gamma') for name in names):
        return rename_keys(state, DINOV2)
    found = unwrap_vit(state)
    found.pop('mask_token', None)
    return found
