# Licensed under Apache-2.0.
"""The photos on which a file is held against its network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmwsss.io.errors import UserError
from mmwsss.io.image_files import photos_in
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import read_picture

from .optional_modules import needed

#: of scikit-image, in its wheel, in the public domain
SHIPPED = ('chelsea', 'astronaut')


def trial_photos(
    bands: int, folder: str | Path | None = None, rule: PictureRule | None = None
) -> list[np.ndarray]:
    """Two photos (H, W, N) uint8: a cat and an astronaut, or the first of a folder.

    Args:
        bands: N of the network.
        folder: of photos, or ``None``.
        rule: how the network reads photos.

    Raises:
        UserError: if a photo has another number of bands, or scikit-image is missing.
    """
    if folder is None:
        data = needed('skimage.data')
        photos = [np.ascontiguousarray(getattr(data, name)()) for name in SHIPPED]
    else:
        paths = photos_in(folder)
        photos = [read_picture(path, rule).pixels for path in paths[: len(SHIPPED)]]
    found = {photo.shape[2] for photo in photos}
    if found != {bands}:
        raise UserError(
            f'the network takes {bands} bands, the photos for the check have '
            f'{sorted(found)}: give photos of its own kind to --photos'
        )
    return (photos * len(SHIPPED))[: len(SHIPPED)]


def resized_batch(photos: Sequence[np.ndarray], size: tuple[int, int]) -> Tensor:
    """Photos (H, W, N) uint8 → (B, N, H, W) uint8 of one size, by Pillow, bilinear."""
    return torch.stack([_resized(photo, size) for photo in photos])


def _resized(photo: np.ndarray, size: tuple[int, int]) -> Tensor:
    bands = [Image.fromarray(band) for band in np.moveaxis(photo, 2, 0)]
    resample = Image.Resampling.BILINEAR
    parts = [np.asarray(band.resize(size[::-1], resample)) for band in bands]
    return torch.from_numpy(np.stack(parts))
