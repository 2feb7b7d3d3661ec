# Licensed under Apache-2.0.
"""Class maps that walk over the tokens of their own picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def token_transition(tokens: Tensor, power: float = 2.0) -> Tensor:
    """How much of a token's score comes from each other token of its picture.

    Cosine similarity after the picture's mean token was taken away, negative ones 0,
    raised to ``power``, each row divided by its sum. Without the mean all tokens of a
    vision transformer look alike.

    Source: the semantic affinity of Ahn and Kwak (AffinityNet, CVPR 2018, equations 2
    and 3), here of features that nobody trained for it.

    Args:
        tokens: (B, D, h, w), any scale.
        power: > 0; the larger, the fewer tokens count as alike.

    Returns:
        (B, hw, hw) float32; row i holds the shares that token i takes, sum 1. A token
        that is like no other, itself included (the mean token), keeps its own score.

    Raises:
        ValueError: if ``power`` isn't positive.
    """
    if not power > 0:
        raise ValueError(f'power must be > 0, got {power}')
    flat = tokens.float().flatten(2)
    # Length 1 first: tokens of large norm would be the mean.
    flat = F.normalize(flat, dim=1)
    flat = F.normalize(flat - flat.mean(2, keepdim=True), dim=1)
    alike = (flat.transpose(1, 2) @ flat).clamp_min(0) ** power
    total = alike.sum(2, keepdim=True)
    alone = torch.eye(alike.shape[-1], device=alike.device)
    return torch.where(total > 0, alike / total.clamp_min(1e-12), alone)


def walk_over_tokens(maps: Tensor, transition: Tensor, steps: int = 4) -> Tensor:
    """Every token takes the mean of the tokens that are like it, ``steps`` times.

    Args:
        maps: (B, K, h, w) class maps on the grid of the tokens.
        transition: (B, hw, hw) of :func:`token_transition`.
        steps: >= 0.

    Returns:
        (B, K, h, w) float32, within the range that each map had.

    Raises:
        ValueError: if the grids differ.
    """
    if maps.shape[2:].numel() != transition.shape[-1]:
        raise ValueError(
            f'maps on a grid of {tuple(maps.shape[2:])} cannot walk over '
            f'{transition.shape[-1]} tokens'
        )
    walked = maps.float().flatten(2).transpose(1, 2)
    for _ in range(steps):
        walked = transition @ walked
    return walked.transpose(1, 2).reshape(maps.shape)
