# Licensed under Apache-2.0.
"""How unsure a network is of a picture: per pixel, and against image labels."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Tensor

from .areas import areas_from_labels
from .scores import scores_from_areas


def probabilities_of_maps(maps: Tensor) -> Tensor:
    """Probabilities where a network has class maps alone: [1 - strongest, maps], sum 1.

    Args:
        maps: (K, H, W) in [0, 1] of the classes that the picture may hold; K may be 0.

    Returns:
        (K + 1, H, W) float32, background first; they sum to 1 at each pixel.
    """
    if not len(maps):  # nothing is found
        return maps.new_ones(1, *maps.shape[1:])
    stacked = torch.cat([1 - maps.amax(0, keepdim=True), maps])
    return stacked / stacked.sum(0, keepdim=True)


def entropy_map(prob: Tensor, num_classes: int) -> Tensor:
    """Entropy of each pixel's probabilities, as a share of the largest there can be.

    Args:
        prob: (L, H, W), summing to 1 over L at each pixel.
        num_classes: C + 1; classes without a channel have the probability 0.

    Returns:
        (H, W) in [0, 1]: 0 sure of one class, 1 all classes alike.
    """
    # p log p is 0 at p = 0, where log alone is not finite
    return torch.special.entr(prob).sum(0) / math.log(max(num_classes, 2))


def margin_map(prob: Tensor) -> Tensor:
    """How close the second class of each pixel comes to the first.

    Args:
        prob: (L, H, W), summing to 1 over L at each pixel.

    Returns:
        (H, W) in [0, 1]: 1 minus the difference of the two largest; 0 where L is 1.
    """
    if len(prob) < 2:
        return torch.zeros_like(prob[0])
    first, second = prob.topk(2, dim=0).values
    return 1 - (first - second)


def disagreement(first: Tensor, second: Tensor, num_classes: int) -> float:
    """1 minus the mean IoU of two labels of one picture, in [0, 1].

    Args:
        first, second: class ids (H, W), integer.
        num_classes: C + 1; the mean is over the classes that occur in either.
    """
    areas = areas_from_labels(first, second, num_classes)
    return 1 - scores_from_areas(areas).mean('iou', 'all')


def label_contradiction(score: Tensor, present: Collection[int]) -> tuple[float, int]:
    """The class in which the network and the image label differ most.

    Args:
        score: (C,) probabilities of the classes 1..C.
        present: class ids of the image label.

    Returns:
        (absolute difference of probability and label in [0, 1], class id 1..C).
    """
    label = torch.zeros_like(score)
    label[[class_id - 1 for class_id in present]] = 1
    value, channel = (score - label).abs().max(0)
    return float(value), int(channel) + 1
