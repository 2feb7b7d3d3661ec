# Licensed under Apache-2.0.
"""Pictures as grey levels: undo the normalisation, truncate as the releases do."""

from __future__ import annotations

from torch import Tensor


def denormalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Undo the input normalisation: (B, 3, H, W) → float32 grey levels 0..255."""
    return images.float() * std + mean


def truncate_to_unit(images: Tensor) -> Tensor:
    """Grey levels 0..255 → [0, 1], *truncated* to whole levels as in the releases.

    Float error plus truncation makes some levels come out one too low; kept for
    equality with published labels.
    """
    # via uint8 semantics: truncation of a value in [0, 256)
    return images.clamp(0, 255).trunc() / 255
