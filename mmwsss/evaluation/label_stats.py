# Licensed under Apache-2.0.
"""What a folder of pseudo masks holds, class by class; no pixel label is needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

IGNORE = 255


@dataclass
class LabelStats:
    """Counts by class over one or many masks.

    Attributes:
        pixels: pixels of the class, (K,) int64.
        images: masks in which it has a pixel, (K,) int64.
        ignored: pixels of 255 in these masks, (K,) int64.
        area: all pixels of these masks, (K,) int64.
        labelled: masks whose image label names it, (K,) int64.
        lost: those of them in which it has no pixel, (K,) int64.
        foreign: masks that have it though the image label doesn't, (K,) int64.
        masks: number of masks.
        total: all pixels.
        ignored_total: all pixels of 255.
    """

    pixels: np.ndarray
    images: np.ndarray
    ignored: np.ndarray
    area: np.ndarray
    labelled: np.ndarray
    lost: np.ndarray
    foreign: np.ndarray
    masks: int = 0
    total: int = 0
    ignored_total: int = 0

    @classmethod
    def zeros(cls, num_classes: int) -> LabelStats:
        """No mask yet."""
        return cls(*np.zeros((7, num_classes), np.int64))

    def __iadd__(self, other: LabelStats) -> LabelStats:
        for field in fields(self):
            total = getattr(self, field.name) + getattr(other, field.name)
            setattr(self, field.name, total)
        return self

    def shares(self) -> dict[str, np.ndarray]:
        """(K,) fractions, NaN where undefined: ``pixels`` of all pixels, ``ignored`` of
        the pixels of the masks that have the class, ``lost`` of the images labelled."""
        with np.errstate(divide='ignore', invalid='ignore'):
            return dict(
                pixels=self.pixels / np.float64(self.total),
                ignored=self.ignored / self.area.astype(np.float64),
                lost=self.lost / self.labelled.astype(np.float64),
            )


def mask_stats(
    mask: np.ndarray, num_classes: int, labels: Iterable[int] | None = None
) -> LabelStats:
    """Counts of one mask.

    Args:
        mask: (H, W) integer ids 0..``num_classes`` - 1 and 255.
        num_classes: K, background included.
        labels: class ids 1..K-1 of the image label; ``None``: unknown.

    Raises:
        ValueError: if a label is no class.
    """
    counts = np.bincount(mask.reshape(-1), minlength=IGNORE + 1)
    pixels, ignored = counts[:num_classes].astype(np.int64), int(counts[IGNORE])
    there = (pixels > 0).astype(np.int64)
    named, unnamed = np.zeros_like(there), np.zeros_like(there)
    if labels is not None:
        ids = sorted(set(labels))
        if ids and not 1 <= ids[0] <= ids[-1] < num_classes:
            raise ValueError(f'image labels must be in 1..{num_classes - 1}, got {ids}')
        named[ids] = 1
        unnamed[1:] = 1 - named[1:]
    return LabelStats(
        pixels,
        there,
        there * ignored,
        there * mask.size,
        named,
        named * (1 - there),
        unnamed * there,
        1,
        mask.size,
        ignored,
    )
