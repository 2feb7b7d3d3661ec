# Licensed under Apache-2.0.
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmwsss.io.data_errors import DataError, UnreadableImageError
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import read_picture

#: mean level below or above which hardly anything is seen
_DARK, _BRIGHT = 10, 245
#: shorter side in pixels, and ratio of the sides, of odd pictures
_TINY, _LONG = 32, 5


@dataclass(frozen=True)
class PhotoFacts:
    """What is known of one picture, read whole.

    Attributes:
        path: of the picture.
        size: (H, W) as the network gets it; (0, 0): unreadable.
        orientation: of its EXIF, 1..8; 1: upright.
        mean: level 0..255 over all pixels and bands.
        blank: whether all pixels are equal.
        problem: why it can't be used; empty if it can.
        broken: whether it is no whole picture; else its depth or bands are at fault.
    """

    path: str
    size: tuple[int, int] = (0, 0)
    orientation: int = 1
    mean: float = 0.0
    blank: bool = False
    problem: str = ''
    broken: bool = False

    @property
    def oddity(self) -> str:
        """What is unusual about it, in a word or two; empty if nothing is."""
        if self.problem:
            return 'unreadable' if self.broken else 'not 8-bit RGB'
        if self.blank:
            return 'one colour'
        if self.mean < _DARK or self.mean > _BRIGHT:
            return 'dark' if self.mean < _DARK else 'bright'
        if min(self.size) < _TINY:
            return 'tiny'
        return 'long' if max(self.size) > _LONG * min(self.size) else ''


def photo_facts(task: tuple[str, PictureRule | None]) -> PhotoFacts:
    """Read a picture as its data set's rule says.

    Args:
        task: path and rule.
    """
    path, rule = task
    try:
        pixels, kind = read_picture(path, rule)
    except DataError as err:
        return PhotoFacts(
            path, problem=str(err), broken=isinstance(err, UnreadableImageError)
        )
    return PhotoFacts(
        path,
        pixels.shape[:2],
        kind.orientation,
        float(np.mean(pixels)),
        bool((pixels == pixels[:1, :1]).all()),
    )
