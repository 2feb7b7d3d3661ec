# Licensed under Apache-2.0.
"""Class tags of views and crops (SeCo, image decomposition): pure functions.

A tag is a class id 1..C, 0 for background, or −1: uncertain, or several classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmwsss.cam import (
    IGNORE,
    cut_crops,
    outside_box_to_ignore,
    strongest_class,
    three_way_label,
)
from mmwsss.structures import ImageLabels

#: tag of a pixel, view or crop without a certain class
UNSURE = -1
#: how much a certain pixel counts in a crop: its class id (released), or 1
TAG_WEIGHTS = ('id', 'one')


def tag_map(
    cam: Tensor,
    ids: Tensor,
    low_thr: float,
    high_thr: float,
    box: Tensor | None = None,
) -> Tensor:
    """Where a fused CAM is sure of what.

    Args:
        cam: (B, K, H, W) compact CAM in [0, 1].
        ids: (B, K) class ids of its channels.
        low_thr, high_thr: thresholds in [0, 1].
        box: (B, 4) real pixels (y0, y1, x0, x1), or ``None``: all are.

    Returns:
        (B, H, W) int64: 0 up to ``low_thr``, −1 up to ``high_thr``, the class id above;
        255 outside the box.

    Raises:
        ValueError: if the thresholds aren't ordered.
    """
    label = three_way_label(*strongest_class(cam, ids), low_thr, high_thr)
    return outside_box_to_ignore(label.masked_fill(label == IGNORE, UNSURE), box)


def only_class(classes: Tensor) -> Tensor:
    """The one class that a map holds.

    Args:
        classes: (…, H, W) int64: class ids; 0 and below don't count.

    Returns:
        (…) int64: the class id, 0 where there is none, −1 where there are several.
    """
    largest = classes.amax((-2, -1)).clamp_min(0)
    beyond = torch.iinfo(classes.dtype).max
    smallest = classes.masked_fill(classes <= 0, beyond).amin((-2, -1))
    several = (largest > 0) & (smallest != largest)
    return largest.masked_fill(several, UNSURE)


def single_label(labels: ImageLabels) -> Tensor:
    """(B,) int64: the class id of an image with exactly one label, else −1."""
    one = labels.mask.sum(1) == 1
    return labels.ids[:, 0].where(one, UNSURE)


def image_class(certain: Tensor, labels: ImageLabels, source: str = 'cam') -> Tensor:
    """The class of images with one.

    Args:
        certain: (B, H, W) class ids where the CAM is sure, 0 elsewhere.
        labels: of the images.
        source: what counts, the classes of which the CAM is sure (``'cam'``, released:
            a second label without a certain pixel is none) or the ``'labels'``.

    Returns:
        (B,) int64: the class id, 0 without any class, −1 for several.
    """
    if source == 'cam':
        return only_class(certain)
    return single_label(labels).masked_fill(~labels.mask.any(1), 0)


def crop_tags(
    roi: Tensor,
    classes: Tensor,
    corners: Tensor,
    crop_size: int,
    threshold: float,
    weight: str = 'id',
) -> Tensor:
    """The tags of crops.

    Background where the mean over the crop is at most ``threshold``: an uncertain pixel
    counts 1, a certain one its class id or 1. Otherwise the class, if all certain
    pixels of the crop have the same; uncertain pixels of an image with one class are of
    that class.

    Args:
        roi: (B, H, W) int64, see :func:`tag_map`.
        classes: (B,) the class of an image with one, 0 or −1 for any other.
        corners: (B, L, 2) top-left corners (y, x).
        crop_size: side in pixels.
        threshold: φ, share of foreground.
        weight: ``'id'`` (released) or ``'one'``.

    Returns:
        (B, L) int64.
    """
    inside = roi.masked_fill(roi == IGNORE, 0)
    certain = inside.clamp_min(0)
    unsure = inside == UNSURE
    amount = certain if weight == 'id' else (certain > 0).long()
    amount = amount.masked_fill(unsure, 1)
    filled = torch.where(unsure, classes.clamp_min(0)[:, None, None], certain)
    windows = cut_crops(torch.stack([amount, filled], 1), corners, crop_size)
    amounts, found = windows.transpose(0, 1).unbind(2)
    # Sums of whole numbers below 2^24: exact in float32.
    mean = amounts.sum((-2, -1)).float() / crop_size**2
    tags = only_class(found)
    tags = tags.masked_fill(tags == 0, UNSURE)
    return tags.masked_fill(mean <= threshold, 0)
