# Licensed under Apache-2.0.
"""Class-relative attention as a map (SemFormer)."""

from __future__ import annotations

from torch import Tensor

from mmwsss.cam import normalise_cam
from mmwsss.cam.fusion import NORMALISE_EPS


def class_relative_attention(
    rows: Tensor, blocks: int, eps: float = NORMALISE_EPS
) -> Tensor:
    """Attention from class tokens to patches, normalised (SemFormer, Eq. 6).

    The mean over heads, summed over the last blocks (the paper's mean differs by what
    ``eps`` is compared with), min-max normalised for each image and class.

    Args:
        rows: (B, U', heads, K, h, w) post-softmax attention of the last U' blocks:
            rows of the class tokens, columns of the patches.
        blocks: U, how many of them count, from the last one on.
        eps: added to the denominator.

    Returns:
        (B, K, h, w) float32 in [0, 1).

    Raises:
        ValueError: if fewer blocks were recorded.
    """
    if not 1 <= blocks <= rows.shape[1]:
        raise ValueError(
            f'attention of the last {blocks} blocks is wanted, {rows.shape[1]} were '
            "recorded: raise the backbone's attention_blocks"
        )
    return normalise_cam(rows[:, -blocks:].float().mean(2).sum(1), eps)
