# Licensed under Apache-2.0.
"""Which tokens of an image are hidden: blocks that the CAM is uncertain about."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.cam import check_thresholds

REDUCTIONS = ('nearest', 'bilinear', 'mean', 'max')


def uncertain_blocks(
    score: Tensor,
    low_thr: float,
    high_thr: float,
    blocks: tuple[int, int],
    reduce: str = 'nearest',
) -> Tensor:
    """Blocks whose CAM score is neither high nor low (FSR, Eq. 3).

    A pixel is uncertain where ``low_thr < score < high_thr``, both strict.

    Args:
        score: (B, h, w) maximum over the present classes of the CAM, in [0, 1].
        low_thr, high_thr: thresholds, 0 <= low <= high <= 1.
        blocks: (m, n) blocks along the two axes.
        reduce: which pixels decide for block (i, j): ``'nearest'`` the one at
            (i h / m, j w / n) rounded down, its top left corner (released, where
            PyTorch resizes); ``'bilinear'`` any that a bilinear resize reads;
            ``'mean'`` more than half of the block; ``'max'`` any of the block.

    Returns:
        (B, m, n) bool.

    Raises:
        ValueError: if thresholds aren't ordered or ``reduce`` is unknown.
    """
    check_thresholds(low_thr, high_thr)
    uncertain = (score > low_thr) & (score < high_thr)
    if reduce not in REDUCTIONS:
        raise ValueError(f'reduce must be one of {REDUCTIONS}, got {reduce!r}')
    maps = uncertain[:, None].to(torch.float32)
    if reduce == 'mean':
        return F.adaptive_avg_pool2d(maps, blocks)[:, 0] > 0.5
    if reduce == 'max':
        return F.adaptive_max_pool2d(maps, blocks)[:, 0] > 0
    return F.interpolate(maps, blocks, mode=reduce)[:, 0] > 0


def masked_count(blocks: int, ratio: float, rounding: str = 'ceil') -> int:
    """How many of the blocks are masked.

    Args:
        blocks: their number.
        ratio: share of them, in [0, 1].
        rounding: ``'ceil'`` (released) or ``'floor'`` (FSR, Eq. 4).

    Raises:
        ValueError: if the ratio isn't in [0, 1] or ``rounding`` is unknown.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f'the mask ratio must be in [0, 1], got {ratio}')
    if rounding not in ('ceil', 'floor'):
        raise ValueError(f"rounding must be 'ceil' or 'floor', got {rounding!r}")
    return getattr(math, rounding)(blocks * ratio)


def choose_blocks(noise: Tensor, count: int, uncertain: Tensor | None = None) -> Tensor:
    """Mask the blocks with the highest scores u + [uncertain] (FSR, Eq. 3 and 4).

    So uncertain blocks come first; the choice among them, and what fills up where
    they are too few, is random.

    Args:
        noise: (B, m, n) u, uniform in [0, 1).
        count: number of blocks to mask in every image.
        uncertain: (B, m, n) bool, or ``None``: at random.

    Returns:
        (B, m, n) bool, ``count`` of them True in every image.
    """
    score = noise if uncertain is None else noise + uncertain
    best = score.flatten(1).topk(count, dim=1).indices
    chosen = torch.zeros_like(score, dtype=torch.bool)
    chosen.flatten(1).scatter_(1, best, True)
    return chosen


def block_grid(
    size: tuple[int, int], block_size: int, patch_size: int
) -> tuple[int, int]:
    """Blocks along both axes of an image.

    Args:
        size: (H, W) in pixels.
        block_size: side of a block in pixels, a multiple of ``patch_size``.
        patch_size: side of a patch in pixels.

    Raises:
        ValueError: if blocks don't fill the image or patches don't fill a block.
    """
    if block_size % patch_size or any(side % block_size for side in size):
        raise ValueError(
            f'block_size={block_size} must be a multiple of the patch size '
            f'{patch_size} and divide the image size {tuple(size)}'
        )
    return size[0] // block_size, size[1] // block_size


def blocks_to_tokens(blocks: Tensor, repeat: int) -> Tensor:
    """Repeat every block over its tokens: (B, m, n) → (B, m repeat, n repeat)."""
    return blocks.repeat_interleave(repeat, 1).repeat_interleave(repeat, 2)


def masked_tokens(mask: Tensor, count: int) -> Tensor:
    """Where the masked tokens are.

    Args:
        mask: (B, h, w) bool with ``count`` True in every image.
        count: their number, known beforehand: counting would make a GPU wait.

    Returns:
        (B, count) int64 positions in the flattened grid.
    """
    return mask.flatten(1).to(torch.float32).topk(count, dim=1, sorted=False).indices


def take_tokens(tokens: Tensor, index: Tensor) -> Tensor:
    """Tokens (B, N, D) at positions (B, n): (B, n, D)."""
    return tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[2]))
