# Licensed under Apache-2.0.
"""Propagation of CAMs by the affinity of tokens (AFA, CVPR 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmwsss.cam import resize, window_mask
from mmwsss.labelers.soft_maps import background_stacks
from mmwsss.structures import ImageLabels

COLUMN_EPS = 0.1


def transition_matrix(
    affinity: Tensor, window: Tensor | None = None, eps: float = COLUMN_EPS
) -> Tensor:
    """Column-normalised transition matrix of the random walk (AFA, as released).

    ``A = W² / (column sums of W² + eps)``, elementwise square, ``W`` the affinity
    inside the window. ``eps`` is not negligible: columns sum to less than 1.

    Args:
        affinity: (B, N, N) in (0, 1).
        window: (N, N) bool, the pairs that interact, or ``None``: all.
        eps: added to each column's sum (0.1 as released).

    Returns:
        (B, N, N) float32.
    """
    weights = affinity.float()
    if window is not None:
        weights = weights * window
    weights = weights * weights
    return weights / (weights.sum(dim=1, keepdim=True) + eps)


def propagate(maps: Tensor, transition: Tensor) -> Tensor:
    """One step of the walk: ``out[k, j] = sum_i maps[k, i] A[i, j]``.

    Args:
        maps: (B, M, h, w) score maps on the token grid.
        transition: (B, hw, hw) from :func:`transition_matrix`.

    Returns:
        (B, M, h, w).

    Raises:
        ValueError: if the grids differ.
    """
    if maps.shape[2:].numel() != transition.shape[-1]:
        raise ValueError(
            f'maps on a grid of {tuple(maps.shape[2:])} need a transition matrix '
            f'of {maps.shape[2:].numel()} tokens, got {tuple(transition.shape[1:])}'
        )
    with torch.autocast(maps.device.type, enabled=False):
        return (maps.float().flatten(2) @ transition).view(maps.shape)


def propagate_cams(
    cam: Tensor,
    labels: ImageLabels,
    affinity: Tensor,
    grid: tuple[int, int],
    thresholds: Sequence[float],
    radius: int | None = 8,
    eps: float = COLUMN_EPS,
) -> Tensor:
    """CAMs spread over the tokens that attend alike (AFA, as released).

    Softmax over [background constant, present classes] at each token, then one
    multiplication with the transition matrix, which all constants share.

    Args:
        cam: (B, K, H, W) compact CAM in [0, 1].
        labels: the K classes of each image.
        affinity: (B, hw, hw) in (0, 1).
        grid: (h, w) of its tokens.
        thresholds: T background constants.
        radius: of the window in tokens, ``None``: no window.
        eps: see :func:`transition_matrix`.

    Returns:
        (B, T, K + 1, H, W) float32, channel 0 the background, unused slots 0. A pixel's
        scores don't sum to 1.
    """
    size = tuple(cam.shape[-2:])
    window = None if radius is None else window_mask(grid, radius, cam.device)
    # Filled on the device: a copied list would make a GPU wait.
    constants = torch.stack([cam.new_full((), value) for value in thresholds])
    soft = background_stacks(resize(cam, grid), labels, constants)
    walked = propagate(soft.flatten(1, 2), transition_matrix(affinity, window, eps))
    return resize(walked, size).unflatten(1, soft.shape[1:3])
