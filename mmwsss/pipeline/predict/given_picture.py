# Licensed under Apache-2.0.
from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import read_picture


@dataclass(frozen=True, eq=False)
class GivenPicture:
    """A picture that was given to be predicted.

    Attributes:
        name: of its outputs, without suffix, with ``/`` where folders were walked.
        source: path or URL; or the pixels (H, W, N) uint8, RGB where N is 3.
    """

    name: str
    source: str | np.ndarray

    @property
    def path(self) -> str | None:
        """Its file; ``None`` of an array."""
        return self.source if isinstance(self.source, str) else None

    def pixels(self, rule: PictureRule | None) -> np.ndarray:
        """(H, W, N) uint8.

        Args:
            rule: how files are read.

        Raises:
            DataError: if it isn't a readable picture, or the rule doesn't cover it.
        """
        if not isinstance(self.source, str):
            return self.source
        with warnings.catch_warnings():
            # half of what Pillow refuses: large pictures are welcome here
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            return read_picture(self.source, rule).pixels

    def __len__(self) -> int:
        """1: pictures that it stands for."""
        return 1
