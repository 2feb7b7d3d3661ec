# Licensed under Apache-2.0.
"""Pseudo labels for the decoder: CAMs refined by a pixel-adaptive filter."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mmwsss.cam import IGNORE, check_thresholds, outside_box_to_ignore, resize
from mmwsss.structures import ImageLabels
from mmwsss.structures.pseudo_label import PseudoLabel

Refine = Callable[[Tensor, Tensor], Tensor]


def background_stacks(cam: Tensor, labels: ImageLabels, thresholds: Tensor) -> Tensor:
    """Soft maps of [background constant, present classes] for several constants.

    Args:
        cam: (B, K, h, w) compact CAM.
        labels: the K classes of each image.
        thresholds: (T,) background constants.

    Returns:
        (B, T, K + 1, h, w), a softmax over K + 1; unused slots are 0.
    """
    batch, slots, height, width = cam.shape
    count = len(thresholds)
    constant = thresholds.view(1, count, 1, 1, 1).expand(batch, -1, 1, height, width)
    classes = cam.masked_fill(~labels.mask[..., None, None], float('-inf'))
    classes = classes[:, None].expand(-1, count, -1, -1, -1)
    return torch.cat([constant, classes], dim=2).softmax(dim=2)


def refine_soft_maps(
    pixels: Tensor,
    cam: Tensor,
    labels: ImageLabels,
    high_thr: float,
    low_thr: float,
    refine: Refine,
    downscale: int = 2,
    per_channel: bool = True,
) -> Tensor:
    """Refined soft maps under the high and the low background constant.

    Args:
        pixels: (B, 3, H, W), the picture, handed on to ``refine`` as it is.
        cam: (B, K, H, W) compact CAM, in [0, 1].
        labels: the K classes of each image.
        high_thr, low_thr: background constants.
        refine: (pixels, maps (B, M, h, w)) → maps of the same shape.
        downscale: the filter works at (H // downscale, W // downscale).
        per_channel: the filter treats channels alone (PAR): both stacks share one
            picture affinity and go through together, as channels.

    Returns:
        (B, 2, K + 1, H, W): high first; channel 0 is the background.
    """
    check_thresholds(low_thr, high_thr)
    size = tuple(cam.shape[-2:])
    small = max(size[0] // downscale, 1), max(size[1] // downscale, 1)
    # Filled on the device: a copied list would make a GPU wait.
    constants = torch.stack([cam.new_full((), thr) for thr in (high_thr, low_thr)])
    soft = background_stacks(resize(cam, small), labels, constants)
    if per_channel:
        refined = refine(pixels, soft.flatten(1, 2))
        return resize(refined, size).unflatten(1, soft.shape[1:3])
    stacks = [resize(refine(pixels, maps), size) for maps in soft.unbind(1)]
    return torch.stack(stacks, 1)


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
    pixels: Tensor,
    cam: Tensor,
    labels: ImageLabels,
    high_thr: float,
    low_thr: float,
    refine: Refine,
    box: Tensor | None = None,
    downscale: int = 2,
    per_channel: bool = True,
) -> PseudoLabel:
    """Refined pseudo label under two constants (releases of ToCo, AFA, FSR).

    Args: see :func:`refine_soft_maps`; box: (B, 4) real pixels or ``None``.

    Returns:
        The label with 255 = ignored, and the soft maps under the high constant.
    """
    soft = refine_soft_maps(
        pixels, cam, labels, high_thr, low_thr, refine, downscale, per_channel
    )
    high, low = (labels.to_ids(s.argmax(1)) for s in soft.unbind(1))
    return PseudoLabel(merge_high_low(high, low, box), soft[:, 0])
