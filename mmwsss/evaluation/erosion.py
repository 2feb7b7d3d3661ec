# Licensed under Apache-2.0.
"""Labels without their rims, as IRNet's and SemFormer's releases score CAMs.

Each label is eroded with a square, the border of the image counting as inside; what no
label claims any more becomes background. So a pixel keeps its label exactly if its
whole window, cut at the border, has that label: one maximum and one minimum filter
over ids, whatever the number of classes.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

EROSION_SIZE = 7


def erode_labels(label: Tensor, size: int = EROSION_SIZE) -> Tensor:
    """Erode every label of label maps (SemFormer's release).

    Args:
        label: (..., H, W) integer ids; 255 is a label like the others.
        size: side of the square window in pixels, odd.

    Returns:
        (..., H, W), 0 where a label was eroded.

    Raises:
        ValueError: if the window has no centre.
    """
    return label.masked_fill(~_uniform(label, size), 0)


def eroded_score(score: Tensor, label: Tensor, size: int = EROSION_SIZE) -> Tensor:
    """Scores whose thresholded labels are the eroded labels, at every threshold.

    ``where(score > t, label, 0)``, eroded, is ``label`` exactly where the whole window
    has this label and its smallest score exceeds t. So one histogram of the result
    holds the eroded labels of all thresholds.

    Args:
        score: (..., H, W) CAM score of the best class, float.
        label: (..., H, W) its class id, integer.
        size: side of the square window in pixels, odd.

    Returns:
        (..., H, W) float32: the window's smallest score, -inf where labels differ.

    Raises:
        ValueError: if the window has no centre.
    """
    lowest = -_window_max(-score.float(), size)
    return lowest.masked_fill(~_uniform(label, size), float('-inf'))


def _uniform(label: Tensor, size: int) -> Tensor:
    """Where the whole window has one label."""
    ids = label.float()  # exact up to 2^24
    return _window_max(ids, size) == -_window_max(-ids, size)


def _window_max(maps: Tensor, size: int) -> Tensor:
    """Largest value in each pixel's window; outside the image there is nothing."""
    if size < 1 or size % 2 == 0:
        raise ValueError(f'the erosion window must have an odd size, got {size}')
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    half = size // 2
    flat = F.max_pool2d(flat, (1, size), stride=1, padding=(0, half))
    flat = F.max_pool2d(flat, (size, 1), stride=1, padding=(half, 0))
    return flat.reshape(maps.shape)
