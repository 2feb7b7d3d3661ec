# Licensed under Apache-2.0.
"""Class embeddings of images against learned class semantics (SemFormer)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NORM_FLOOR = 1e-8
CLAMP_MARGIN = 1e-4
REDUCTIONS = ('sum', 'mean', 'max')


def clamped_cosine(
    x: Tensor, y: Tensor, floor: float = NORM_FLOOR, margin: float = CLAMP_MARGIN
) -> Tensor:
    """Cosine similarity, kept away from its ends (SemFormer's release).

    Where it is clamped the gradient is 0; a zero vector is similar to nothing.

    Args:
        x, y: (..., D), broadcast against each other.
        floor: least norm by which a vector is divided.
        margin: the result lies in [−1 + margin, 1 − margin].

    Returns:
        (...) similarity.
    """
    cosine = F.normalize(x, dim=-1, eps=floor) * F.normalize(y, dim=-1, eps=floor)
    return cosine.sum(-1).clamp(margin - 1, 1 - margin)


def class_embedding(primary: Tensor, reduction: str = 'sum') -> Tensor:
    """Merge the primary tokens of an image into one embedding for each class.

    SemFormer, section 3.2.2 and Table 5; float32, also of half-precision tokens.

    Args:
        primary: (B, L, ...) primary tokens of the L patches.
        reduction: ``'sum'`` (published; the paper's factor 1/K changes no cosine),
            ``'mean'`` or ``'max'``.

    Returns:
        (B, ...) embeddings.

    Raises:
        ValueError: if ``reduction`` is unknown.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f'reduction must be one of {REDUCTIONS}, got {reduction!r}')
    if primary.dtype in (torch.float16, torch.bfloat16):
        primary = primary.float()
    if reduction == 'max':
        return primary.amax(1)
    return primary.sum(1) if reduction == 'sum' else primary.mean(1)


def gate_semantics(semantics: Tensor, present: Tensor) -> Tensor:
    """Semantics for each image that learn from the classes it holds alone.

    In an image without a class only the embedding is pushed away (released code of
    SemFormer; not in the paper).

    Args:
        semantics: (K, D).
        present: (B, K), non-zero where the image holds the class.

    Returns:
        (B, K, D), the same values for every image.
    """
    return torch.where(present[..., None] > 0, semantics, semantics.detach())
