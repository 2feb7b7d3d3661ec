# Licensed under Apache-2.0.
"""Class maps refined by a transformer's own attention (CLIP-ES): pure functions."""

from __future__ import annotations

from torch import Tensor

from .fusion import normalise_cam
from .score_boxes import score_box_mask

#: added to the maximum in CLIP-ES's min–max
EPS = 1e-7


def mean_patch_attention(attention: Tensor, last: int) -> Tensor:
    """Mean of the last attention maps, without the class token's row and column.

    Args:
        attention: (B, L, 1 + N, 1 + N), class token first.
        last: how many; with fewer maps all of them count.

    Returns:
        (B, N, N) float32; rows sum to less than 1.
    """
    return attention[:, -last:, 1:, 1:].float().mean(1)


def attention_transition(attention: Tensor, rounds: int = 3) -> Tensor:
    """Attention made nearly doubly stochastic, and symmetric (CLIP-ES as released).

    Args:
        attention: (B, N, N) positive.
        rounds: how often each column, then each row is divided by its sum.

    Returns:
        (B, N, N) float32, symmetric.
    """
    found = attention.float()
    for _ in range(rounds):
        found = found / found.sum(-2, keepdim=True)
        found = found / found.sum(-1, keepdim=True)
    return (found + found.mT) / 2


def spread_by_attention(
    maps: Tensor,
    transition: Tensor,
    mask: Tensor | None = None,
    squarings: int = 1,
) -> Tensor:
    """Class maps that take what the patches give which they attend to.

    The transition to the power 2^squarings, times (mask ⊙ map): the mask says where a
    value may come from, not where it goes. The power itself is never made.

    Args:
        maps: (B, K, h, w) class maps.
        transition: (B, N, N), N = h w.
        mask: (B, K, h, w) bool of :func:`score_box_mask`, or ``None``.
        squarings: how often the transition is squared, 0 or more.

    Returns:
        (B, K, h, w) float32.

    Raises:
        ValueError: if the grids differ.
    """
    if maps.shape[-2:].numel() != transition.shape[-1]:
        raise ValueError(
            f'maps on a grid of {tuple(maps.shape[-2:])} do not fit a transition of '
            f'{transition.shape[-1]} tokens'
        )
    found = maps.float() if mask is None else maps.float() * mask
    columns = found.flatten(2).mT
    for _ in range(2**squarings):
        columns = transition @ columns
    return columns.mT.reshape(maps.shape)


def attention_refined(
    maps: Tensor,
    attention: Tensor,
    threshold: float | None,
    *,
    last: int = 8,
    rounds: int = 3,
    squarings: int = 1,
    closed: bool = False,
) -> Tensor:
    """Class-aware attention-based affinity, whole (CAA; CLIP-ES as released).

    Args:
        maps: (B, K, h, w) class maps in [0, 1].
        attention: (B, L, 1 + N, 1 + N) of all blocks, the last one's at the end.
        threshold: λ of the boxes, or ``None``: values may come from everywhere.
        last, rounds, squarings, closed: see the functions above and
            :func:`.score_box_mask`.

    Returns:
        (B, K, h, w) float32 in [0, 1), min–max normalised on this grid.
    """
    transition = attention_transition(mean_patch_attention(attention, last), rounds)
    mask = None if threshold is None else score_box_mask(maps, threshold, closed)
    return normalise_cam(spread_by_attention(maps, transition, mask, squarings), EPS)
