# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from mmwsss.datasets.side_inputs.ids_kind import ID_MODES, IdsKind, open_mask
from mmwsss.io.data_errors import UnreadableImageError
from mmwsss.io.image_files import picture_size

from .between_runs import between_runs

Colour = tuple[int, int, int]
#: colours of a mask that are kept, the most frequent first
_COLOURS = 64


@dataclass(frozen=True)
class MaskFacts:
    """What is known of one mask, and what its image label says.

    Attributes:
        path: of the mask.
        labels: ids 1..C that the image label names; ``None``: nobody knows.
        pixels: of each id, those that the user's choice of classes left out as 255;
            empty for a mask of colours.
        colours: pixels of each colour, of masks of colours and of those with a palette.
        many: how many different colours there are.
        is_colour: whether the pixels are colours, not ids.
        between: see :func:`.between_runs.between_runs`.
        changes: likewise.
    """

    path: str
    labels: frozenset[int] | None
    pixels: Mapping[int, int] = field(default_factory=dict)
    colours: Mapping[Colour, int] = field(default_factory=dict)
    indexed: Mapping[int, Colour] = field(default_factory=dict)
    many: int = 0
    is_colour: bool = False
    between: Mapping[int, int] = field(default_factory=dict)
    changes: int = 0

    @property
    def total(self) -> int:
        """Pixels of a mask of ids."""
        return sum(self.pixels.values())

    @property
    def classes(self) -> frozenset[int]:
        """Ids that aren't background, nor ignored."""
        return frozenset(self.pixels) - {0, 255}


def look_at(info: Mapping[str, Any]) -> MaskFacts:
    """Read one mask.

    Args:
        info: of its image, of a data set's list: ``seg_map_path``, and where they are
            known ``img_path``, ``gt_labels``, ``labels_known``, ``label_map``.

    Raises:
        MaskError: if it can't be read, or hasn't the size of its photo.
    """
    path = info['seg_map_path']
    known = info.get('labels_known', 'gt_labels' in info)
    labels = frozenset(c + 1 for c in info['gt_labels']) if known else None
    img = open_mask(IdsKind().read(path), path)
    _check_size(path, (img.height, img.width), info)
    if img.mode not in ID_MODES:
        colours, many = _colours(np.asarray(img.convert('RGB')))
        return MaskFacts(path, labels, colours=colours, many=many, is_colour=True)
    ids = np.asarray(img)
    pixels = dict(zip(*(x.tolist() for x in _unique(ids)), strict=True))
    indexed = _indexed(img, pixels)
    between, changes = between_runs(ids)
    chosen: Mapping[int, int] = info.get('label_map') or {}
    return MaskFacts(
        path,
        labels,
        _added(pixels, chosen),
        _added(pixels, indexed) if indexed else {},
        indexed,
        len(indexed),
        False,
        _added(between, chosen),
        changes,
    )


def _check_size(path: str, size: tuple[int, int], info: Mapping[str, Any]) -> None:
    """Compare with the photo, where there is one that can be read."""
    if info.get('img_path') and info.get('picture') is not None:
        with suppress(UnreadableImageError):
            wanted = picture_size(info['img_path'], info['picture'])
            IdsKind().check_size(path, size, info, wanted)


def _unique(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and how many there are of each."""
    if ids.dtype != np.uint8:
        return np.unique(ids.astype(np.int64), return_counts=True)
    counts = np.bincount(ids.reshape(-1), minlength=256)
    return np.flatnonzero(counts), counts[counts > 0]


def _colours(pixels: np.ndarray) -> tuple[dict[Colour, int], int]:
    """Pixels of the most frequent colours of (H, W, 3) uint8, and how many colours."""
    wide = pixels.astype(np.uint32)
    packed = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    values, counts = np.unique(packed, return_counts=True)
    first = np.argsort(-counts, kind='stable')[:_COLOURS]
    found = {
        (value >> 16, value >> 8 & 255, value & 255): count
        for value, count in zip(values[first].tolist(), counts[first].tolist())
    }
    return found, len(values)


def _indexed(img: Image.Image, pixels: Mapping[int, int]) -> dict[int, Colour]:
    """The colours of the ids that a mask with a palette holds."""
    table = img.getpalette('RGB') if img.mode == 'P' else None
    if not table:
        return {}
    return {
        index: (table[3 * index], table[3 * index + 1], table[3 * index + 2])
        for index in pixels
        if 3 * index + 2 < len(table)
    }


def _added(counts: Mapping[int, int], names: Mapping[int, Any]) -> dict[Any, int]:
    """Counts by other names; those of one name added, those without one as they are."""
    found: dict[Any, int] = {}
    for key, count in counts.items():
        name = names.get(key, key)
        found[name] = found.get(name, 0) + count
    return found
