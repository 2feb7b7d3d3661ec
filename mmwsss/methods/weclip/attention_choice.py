# Licensed under Apache-2.0.
"""CLIP's attention, mixed with the affinity of a decoder (WeCLIP): pure functions."""

from __future__ import annotations

import torch
from torch import Tensor

from mmwsss.io.errors import check_choice
from mmwsss.models.precision import in_float32

#: added to the number of chosen layers
EPS = 1e-5
#: how a layer's attention is compared with the affinity: by the sum of differences
#: (released) or of absolute ones (the paper's words)
DISTANCES = ('signed', 'absolute')


@in_float32
def fused_affinity(fused: Tensor) -> Tensor:
    """Affinity of tokens: sigmoid of their inner products (WeCLIP, section 3.3).

    Neither scaled nor normalised: it is 1 near the diagonal, and its gradient vanishes
    there.

    Args:
        fused: (B, d, h, w) fused tokens, after dropout.

    Returns:
        (B, N, N) float32 in [0, 1], symmetric, N = h w.
    """
    tokens = fused.flatten(2)
    return (tokens.mT @ tokens).sigmoid()


def layer_distances(attention: Tensor, affinity: Tensor, distance: str) -> Tensor:
    """How far the attention of each layer is from the affinity.

    ``'signed'``: the sum of P − A, which differs between layers only by how much
    attention their patches give to the class token; ``'absolute'``: the sum of
    abs(P − A).

    Args:
        attention: (B, L, N, N) of patches alone.
        affinity: (B, N, N).
        distance: one of :data:`DISTANCES`.

    Returns:
        (B, L) float64: the sums agree in four digits and more.

    Raises:
        ValueError: if ``distance`` is neither.
    """
    check_choice('distance', distance, DISTANCES)
    found = affinity[:, None].double() - attention.double()
    return (found.abs() if distance == 'absolute' else found).sum((-2, -1))


def chosen_layers(distances: Tensor) -> Tensor:
    """The layers that are no farther than the mean of all.

    Args:
        distances: (B, L).

    Returns:
        (B, L) bool, one at least in each row.
    """
    nearest = distances == distances.amin(1, keepdim=True)
    return (distances <= distances.mean(1, keepdim=True)) | nearest


def mixed_attention(
    attention: Tensor, affinity: Tensor, last: int, distance: str = 'signed'
) -> Tensor:
    """Mean attention of the chosen layers times the decoder's affinity (WeCLIP, RFM).

    Args:
        attention: (B, L, 1 + N, 1 + N) of all blocks, class token first.
        affinity: (B, N, N) of :func:`fused_affinity`, without gradient.
        last: among how many of the last layers is chosen: 6 on VOC, 10 on COCO.
        distance: see :func:`layer_distances`.

    Returns:
        (B, N, N) float32.

    Raises:
        ValueError: if ``distance`` is unknown, or the grids differ.
    """
    maps = attention[:, -last:, 1:, 1:].float()
    if maps.shape[-2:] != affinity.shape[-2:]:
        raise ValueError(
            f'attention of {maps.shape[-1]} patches does not fit an affinity of '
            f'{affinity.shape[-1]} tokens'
        )
    chosen = chosen_layers(layer_distances(maps, affinity, distance)).float()
    mean = torch.einsum('bl,blij->bij', chosen, maps)
    return mean / (chosen.sum(1)[:, None, None] + EPS) * affinity.float()
