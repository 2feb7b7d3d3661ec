# Licensed under Apache-2.0.
"""From edges and class maps to walked maps at the size of the image.

Source: IRNet (CVPR 2019), section 4.2, and its release as SemFormer uses it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.cam import merge_mirror, strided_size
from mmwsss.ops import random_walk


def padded_canvas(images: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Images (3, H, W) of any sizes, zeros right and below: ``(B, 3, *size)``."""
    return torch.stack(
        [
            F.pad(image, (0, size[1] - image.shape[-1], 0, size[0] - image.shape[-2]))
            for image in images
        ]
    )


def edge_of_pair(
    plain: Tensor, mirrored: Tensor, size: tuple[int, int], stride: int = 4
) -> Tensor:
    """Probability of an edge from the logits of an image and of its mirror.

    Both were padded to the right and below, so each is cut before the second one is
    turned back.

    Args:
        plain, mirrored: (..., h, w) edge logits, of at least the result's size.
        size: (H, W) of the image without padding.
        stride: of the logits.

    Returns:
        (..., (H - 1) // stride + 1, (W - 1) // stride + 1) float32 in [0, 1].
    """
    rows, columns = strided_size(size, stride)
    plain, mirrored = (
        logits[..., :rows, :columns].float() for logits in (plain, mirrored)
    )
    return merge_mirror(plain, mirrored, 'mean').sigmoid()


def walk_maps(
    maps: Sequence[Tensor],
    edges: Sequence[Tensor],
    radius: int = 5,
    beta: float = 10,
    num_squarings: int = 8,
) -> list[Tensor]:
    """:func:`mmwsss.ops.random_walk` of images of different sizes at once.

    What is added to reach a common size is all edge: nothing enters or leaves it.

    Args:
        maps: (K, h, w) class maps of each image.
        edges: (1, h, w) probability of an edge.
        radius, beta, num_squarings: see :func:`mmwsss.ops.random_walk`.

    Returns:
        (K, h, w) walked maps of each image, float32, not normalised.

    Raises:
        ValueError: if maps and edges don't belong together.
    """
    for one, edge in zip(maps, edges, strict=True):
        if one.dim() != 3 or one.shape[-2:] != edge.shape[-2:]:
            raise ValueError(
                'class maps must be (K, h, w) on the grid of the edges, '
                f'{tuple(edge.shape[-2:])}; got {tuple(one.shape)}. Give CAMs at the '
                'stride of the edge network'
            )
    if not any(len(one) for one in maps):
        return [one.clone() for one in maps]
    count, rows, columns = (max(one.shape[i] for one in maps) for i in range(3))
    places = [(0, columns - one.shape[2], 0, rows - one.shape[1]) for one in maps]
    cam = torch.stack(
        [
            F.pad(one, (*place, 0, count - len(one)))
            for one, place in zip(maps, places, strict=True)
        ]
    )
    edge = torch.stack(
        [F.pad(one, place, value=1.0) for one, place in zip(edges, places, strict=True)]
    )
    walked = random_walk(cam, edge, radius, beta, num_squarings)
    return [
        all_[: one.shape[0], : one.shape[1], : one.shape[2]]
        for all_, one in zip(walked, maps, strict=True)
    ]


def enlarge_walked(walked: Tensor, size: tuple[int, int], stride: int = 4) -> Tensor:
    """Walked maps at the size of the image, the strongest pixel 1.

    Enlarged by the stride with half-pixel centres, cut, divided by the maximum over all
    classes. Maps of zeros stay zeros.

    Args:
        walked: (K, h, w).
        size: (H, W) of the image.
        stride: of the maps.

    Returns:
        (K, H, W) in [0, 1].
    """
    if not len(walked):
        return walked.new_zeros(0, *size)
    full = F.interpolate(
        walked[None], scale_factor=stride, mode='bilinear', align_corners=False
    )[0, :, : size[0], : size[1]]
    return full / full.max().clamp_min(torch.finfo(full.dtype).tiny)
