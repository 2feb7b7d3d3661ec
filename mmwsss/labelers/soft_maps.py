# Licensed under Apache-2.0.
"""Soft maps with a background constant, and how a strict and a lenient one merge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mmwsss.cam import IGNORE, check_thresholds, outside_box_to_ignore, resize
from mmwsss.structures import ImageLabels

Refine = Callable[[Tensor, Tensor], Tensor]


def background_stacks(
    cam: Tensor, labels: ImageLabels | None, thresholds: Tensor | Sequence[float]
) -> Tensor:
    """Soft maps of [background constant, present classes] for several constants.

    For a constant t: softmax of [t, cam_1, ..., cam_K] over the classes (releases of
    ToCo, AFA, FSR).

    Args:
        cam: (B, K, h, w) compact CAM.
        labels: the K classes of each image; ``None``: every image has all K.
        thresholds: (T,) background constants.

    Returns:
        (B, T, K + 1, h, w), a softmax over K + 1; unused slots are 0.
    """
    batch, _, height, width = cam.shape
    count = len(thresholds)
    if not isinstance(thresholds, Tensor):
        # Filled on the device: a copied list would make a GPU wait.
        thresholds = torch.stack([cam.new_full((), thr) for thr in thresholds])
    constant = thresholds.view(1, count, 1, 1, 1).expand(batch, -1, 1, height, width)
    classes = cam
    if labels is not None:
        classes = cam.masked_fill(~labels.mask[..., None, None], float('-inf'))
    classes = classes[:, None].expand(-1, count, -1, -1, -1)
    return torch.cat([constant, classes], dim=2).softmax(dim=2)


def refine_soft_maps(
    images: Tensor,
    cam: Tensor,
    labels: ImageLabels,
    high_thr: float,
    low_thr: float,
    refine: Refine,
    downscale: int = 2,
) -> Tensor:
    """Refined soft maps under the high and the low background constant.

    Both stacks share one image affinity: they are filtered together as channels.

    Args:
        images: (B, 3, H, W) in [0, 1].
        cam: (B, K, H, W) compact CAM, in [0, 1].
        labels: the K classes of each image.
        high_thr, low_thr: background constants.
        refine: (images (B, 3, h, w), maps (B, M, h, w)) → maps of the same shape.
        downscale: the filter works at (H // downscale, W // downscale).

    Returns:
        (B, 2, K + 1, H, W): high first; channel 0 is the background.
    """
    check_thresholds(low_thr, high_thr)
    size = tuple(cam.shape[-2:])
    small = size[0] // downscale, size[1] // downscale
    soft = background_stacks(resize(cam, small), labels, (high_thr, low_thr))
    if hasattr(refine, 'per_channel'):  # a refiner takes pictures of 0..255
        refined = refine((images * 255).round(), soft.flatten(1, 2))
    else:
        refined = refine(resize(images, small), soft.flatten(1, 2))
    return resize(refined, size).unflatten(1, soft.shape[1:3])


def merge_high_low(high: Tensor, low: Tensor, box: Tensor | None = None) -> Tensor:
    """Foreground where the strict map says so, background where the lenient one does.

    Args:
        high, low: (B, H, W) class ids under the high / low background constant.
        box: (B, 4) or ``None``.

    Returns:
        (B, H, W): ``high`` where it is a foreground class; 0 where both are
        background; 255 elsewhere and outside the box.
    """
    out = torch.where((high == 0) & (low != 0), IGNORE, high)
    return outside_box_to_ignore(out, box)


def refined_label(
    images: Tensor,
    cam: Tensor,
    labels: ImageLabels,
    high_thr: float,
    low_thr: float,
    refine: Refine,
    box: Tensor | None = None,
    downscale: int = 2,
) -> Tensor:
    """Refined pseudo label (releases of ToCo, AFA, FSR).

    Args: see :func:`refine_soft_maps`; box: (B, 4) real pixels or ``None``.

    Returns:
        (B, H, W) int64 class ids with 255 = ignore.
    """
    soft = refine_soft_maps(images, cam, labels, high_thr, low_thr, refine, downscale)
    high, low = (labels.to_ids(s.argmax(1)) for s in soft.unbind(1))
    return merge_high_low(high, low, box)
