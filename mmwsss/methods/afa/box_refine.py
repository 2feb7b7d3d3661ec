# Licensed under Apache-2.0.
"""Refinement of soft maps inside the boxes of real pixels (AFA, as released).

The released code cuts every image to its box, halves it and refines the cut. Boxes of
a batch differ in size, and cutting would make a GPU tell the host where. Here each
box is laid on the top-left corner of a canvas of common size, and what is outside is
filled with its border, which is how the filter sees the border of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from mmwsss.cam import box_mask
from mmwsss.labelers.soft_maps import merge_high_low
from mmwsss.ops import par_affinity, par_propagate
from mmwsss.structures import ImageLabels


class PARSettings(Protocol):
    """What :class:`mmwsss.ops.PAR` holds."""

    dilations: Sequence[int]
    num_iters: int
    w1: float
    w2: float


def linear_weights(position: Tensor, start: Tensor, length: int) -> Tensor:
    """Matrices of linear interpolation along one axis.

    Args:
        position: (B, n) places to read, in pixels after ``start``.
        start: (B,) first pixel of each image's part.
        length: L of the axis.

    Returns:
        (B, n, L) float32; rows sum to 1.
    """
    steps = torch.arange(length, device=position.device) - start[:, None, None]
    return (1 - (position[..., None] - steps).abs()).clamp_min(0)


def half_pixel(index: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Place of target pixels in the source, half-pixel centres, clamped.

    Args:
        index: (n,) pixel numbers of the target; those beyond it repeat its last one.
        source, target: (B,) lengths.
    """
    inside = torch.minimum(index, target[:, None] - 1)
    place = (source / target)[:, None] * (inside + 0.5) - 0.5
    return torch.minimum(place.clamp_min(0), source[:, None] - 1)


def aligned_corners(index: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """As :func:`half_pixel`, with the first and last pixels on each other."""
    inside = torch.minimum(index, target[:, None] - 1)
    return ((source - 1) / (target - 1).clamp_min(1))[:, None] * inside


class BoxGeometry:
    """Interpolation between full images and canvases of their boxes.

    Args:
        boxes: (B, 4) (y0, y1, x0, x1).
        size: (H, W) of the images.
        downscale: canvas pixels are this many image pixels.
    """

    def __init__(self, boxes: Tensor, size: tuple[int, int], downscale: int) -> None:
        self.size = size
        self.boxes = boxes.long()
        self.starts = self.boxes[:, 0], self.boxes[:, 2]
        self.lengths = tuple(
            (self.boxes[:, i + 1] - self.boxes[:, i]).clamp_min(1) for i in (0, 2)
        )
        self.small = tuple((n // downscale).clamp_min(1) for n in self.lengths)
        self.steps = tuple(
            torch.arange(max(side // downscale, 1), device=boxes.device)
            for side in size
        )

    def to_canvas(self, maps: Tensor, place: str) -> Tensor:
        """(B, M, H, W) → canvas; ``place``: ``'half_pixel'``, ``'aligned'``."""
        where = aligned_corners if place == 'aligned' else half_pixel
        rows, cols = (
            linear_weights(where(steps, long, small), start, side)
            for steps, long, small, start, side in zip(
                self.steps,
                self.lengths,
                self.small,
                self.starts,
                self.size,
                strict=True,
            )
        )
        return rows[:, None] @ maps @ cols[:, None].mT

    def to_image(self, canvas: Tensor) -> Tensor:
        """Canvas → (B, M, H, W), half-pixel centres, 0 outside the boxes."""
        rows, cols = (
            linear_weights(
                half_pixel(
                    (
                        torch.arange(side, device=canvas.device) - start[:, None]
                    ).clamp_min(0),
                    small,
                    long,
                ),
                torch.zeros_like(start),
                len(steps),
            )
            for steps, long, small, start, side in zip(
                self.steps,
                self.lengths,
                self.small,
                self.starts,
                self.size,
                strict=True,
            )
        )
        maps = rows[:, None] @ canvas @ cols[:, None].mT
        return maps * box_mask(self.boxes, self.size)[:, None]

    def repeat_border(self, canvas: Tensor) -> Tensor:
        """Fill what lies beyond the boxes with their last row and column."""
        rows, cols = (
            torch.minimum(steps, small[:, None] - 1)
            for steps, small in zip(self.steps, self.small, strict=True)
        )
        index = rows[:, :, None] * canvas.shape[-1] + cols[:, None]
        flat = canvas.flatten(2)
        taken = flat.gather(2, index.flatten(1)[:, None].expand_as(flat))
        return taken.view_as(canvas)


def par_in_boxes(
    images: Tensor, maps: Tensor, boxes: Tensor, par: PARSettings, downscale: int = 2
) -> Tensor:
    """PAR on the boxes only, as if each were an image of its own.

    The image's box is shrunk with half-pixel centres, the maps with aligned corners
    (the released filter resizes them itself), the result is enlarged with half-pixel
    centres.

    Args:
        images: (B, 3, H, W) in [0, 1].
        maps: (B, M, H, W).
        boxes: (B, 4) (y0, y1, x0, x1), half-open.
        par: settings of the filter.
        downscale: it works at (box // downscale) pixels.

    Returns:
        (B, M, H, W) float32, 0 outside the boxes.
    """
    with torch.autocast(maps.device.type, enabled=False):
        geometry = BoxGeometry(boxes, tuple(maps.shape[-2:]), downscale)
        small = geometry.to_canvas(images.float(), 'half_pixel')
        affinity = par_affinity(small, par.dilations, par.w1, par.w2)
        soft = geometry.to_canvas(maps.float(), 'aligned')
        for _ in range(par.num_iters):
            soft = geometry.repeat_border(
                par_propagate(affinity, soft, par.dilations, 1)
            )
        return geometry.to_image(soft)


def refined_propagated_label(
    images: Tensor,
    stacks: Tensor,
    labels: ImageLabels,
    par: PARSettings,
    box: Tensor | None = None,
    downscale: int = 2,
) -> Tensor:
    """Refined pseudo label of propagated CAMs (AFA, as released).

    Args:
        images: (B, 3, H, W) in [0, 1].
        stacks: (B, 2, K + 1, H, W) propagated maps under the high and the low
            background constant, in this order. No softmax is applied.
        labels: the K classes of each image.
        par: settings of the filter.
        box: (B, 4) real pixels, or ``None``: all of the image.
        downscale: see :func:`par_in_boxes`.

    Returns:
        (B, H, W) int64 class ids: that of the high map where it is foreground, 0 where
        both are background, 255 elsewhere and outside the box.
    """
    size = tuple(stacks.shape[-2:])
    boxes = whole_images(len(images), size, images.device) if box is None else box
    refined = par_in_boxes(images, stacks.flatten(1, 2), boxes, par, downscale)
    refined = refined.unflatten(1, stacks.shape[1:3])
    high, low = (labels.to_ids(maps.argmax(1)) for maps in refined.unbind(1))
    return merge_high_low(high, low, box)


def whole_images(batch: int, size: tuple[int, int], device: torch.device) -> Tensor:
    """Boxes (B, 4) that hold all pixels, made on the device."""
    sides = [
        torch.full((batch,), side, device=device) for side in (0, size[0], 0, size[1])
    ]
    return torch.stack(sides, 1)
