# Licensed under Apache-2.0.
"""CAM heat and label maps drawn over a photograph."""

from __future__ import annotations

import numpy as np
from PIL import Image

# Anchors of a dark-to-bright heat scale, at equal distances over [0, 1].
_HEAT = np.array(
    [
        (8, 8, 60),
        (30, 60, 200),
        (0, 170, 190),
        (90, 200, 60),
        (250, 210, 20),
        (245, 110, 10),
        (180, 10, 10),
    ],
    np.float64,
)
_HATCH = 8  # pixels between two lines of the hatching of ignored pixels


def heat_colours(score: np.ndarray) -> np.ndarray:
    """Colours of a score map.

    Args:
        score: (H, W) in [0, 1]; clipped.

    Returns:
        (H, W, 3) float64 in 0..255.
    """
    at = np.clip(np.nan_to_num(score), 0, 1) * (len(_HEAT) - 1)
    low = np.minimum(at.astype(int), len(_HEAT) - 2)
    part = (at - low)[..., None]
    return _HEAT[low] * (1 - part) + _HEAT[low + 1] * part


def cam_overlay(image: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Heat over a photograph; the stronger the score, the more it covers.

    Args:
        image: RGB (H, W, 3) uint8.
        score: (H, W) in [0, 1], e.g. the normalised CAM of the best class.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: Sizes differ.
    """
    _check(image, score)
    cover = (0.35 + 0.4 * np.clip(np.nan_to_num(score), 0, 1))[..., None]
    return _to_uint8(image * (1 - cover) + heat_colours(score) * cover)


def label_overlay(
    image: np.ndarray,
    label: np.ndarray,
    palette: np.ndarray,
    ignore_index: int = 255,
    cover: float = 0.6,
) -> np.ndarray:
    """Class colours over a photograph.

    Background is the darkened photograph, ignored pixels are hatched, and a white
    line separates classes.

    Args:
        image: RGB (H, W, 3) uint8.
        label: Class ids (H, W), integer.
        palette: (256, 3) uint8 by id.
        ignore_index: Id of ignored pixels.
        cover: Opacity of the colours in [0, 1].

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: Sizes differ.
    """
    _check(image, label)
    label = label.astype(np.int64)
    mixed = image * (1 - cover) + palette[label & 255] * cover
    mixed[label == 0] = image[label == 0] * 0.45
    y, x = np.indices(label.shape)
    lines = (x + y) % _HATCH < 2
    ignored = label == ignore_index
    mixed[ignored] = image[ignored] * 0.7 + 60
    mixed[ignored & lines] = (235, 235, 235)
    mixed[_edges(label)] = 255
    return _to_uint8(mixed)


def resize_picture(
    image: np.ndarray, size: tuple[int, int], smooth: bool = True
) -> np.ndarray:
    """Resize a picture or map to (height, width).

    Args:
        image: (H, W, 3) uint8, (H, W) float or (H, W) integer.
        size: New height and width; a line of pixels stays one, however it shrinks.
        smooth: Bilinear; ``False`` = nearest, for labels.

    Returns:
        Array of the same kind.
    """
    how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    if image.dtype != np.uint8:
        kind = np.float32 if smooth else np.int32
        image = image.astype(kind)
    height, width = (max(1, side) for side in size)
    return np.asarray(Image.fromarray(image).resize((width, height), how))


def _edges(label: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour has another id."""
    edge = np.zeros(label.shape, bool)
    edge[:, :-1] |= label[:, 1:] != label[:, :-1]
    edge[:-1] |= label[1:] != label[:-1]
    return edge


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _check(image: np.ndarray, plane: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.shape[:2] != plane.shape:
        raise ValueError(
            f'picture {image.shape} and map {plane.shape} do not go '
            'together: (H, W, 3) and (H, W) are needed'
        )
