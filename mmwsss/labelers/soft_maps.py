# Licensed under Apache-2.0.
"""Soft maps with a background constant, and how a strict and a lenient one merge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mmwsss.cam import IGNORE, outside_box_to_ignore
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
