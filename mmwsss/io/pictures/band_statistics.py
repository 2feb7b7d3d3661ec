# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmwsss.io.data_errors import PictureError
from mmwsss.io.errors import UserError
from mmwsss.io.wording import of_data_set

from .picture_rule import PictureRule
from .reader import Path, read_picture, read_stored
from .running_moments import RunningMoments

#: pixels of a picture that percentiles are made of
_PIXELS = 4096
#: percentiles that are told
_PERCENTILES = (2.0, 98.0)


@dataclass(frozen=True)
class BandStatistics:
    """What the bands of a data set's pictures hold.

    Attributes:
        pictures: how many were read.
        pixels: how many pixels those have together; values that aren't finite are left
            out of all that follows.
        mean, std: of each band, (N,) float64; deviation over all pixels.
        low, high: smallest and largest value of each band.
        low_percentile, high_percentile: 2 % and 98 % of each band, of at most 4,096
            pixels a picture.
    """

    pictures: int
    pixels: int
    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray
    low_percentile: np.ndarray
    high_percentile: np.ndarray


def band_statistics(
    paths: Sequence[Path],
    rule: PictureRule | None = None,
    limit: int = 200,
    stored: bool = False,
) -> BandStatistics:
    """Statistics of each band over a bounded number of pictures, one in memory.

    Args:
        paths: of the pictures.
        rule: how they are read.
        limit: how many are read, at even distances.
        stored: values as the files hold them, for ``value_range``, of the rule's bands
            or of all; else as the network gets them, 0..255, for ``mean`` and ``std``
            of the data preprocessor.

    Raises:
        UserError: if there is no picture, or the limit isn't positive.
        DataError: naming a picture that can't be read, or has other bands than the
            first.
    """
    if not paths or limit < 1:
        raise UserError(
            f'band_statistics needs pictures and a limit of at least 1, got '
            f'{len(paths)} pictures and limit={limit}'
        )
    rule = rule or PictureRule()
    chosen = np.linspace(0, len(paths) - 1, min(limit, len(paths))).astype(int)
    total = RunningMoments()
    samples: list[np.ndarray] = []
    for path in (paths[i] for i in chosen):
        values = read_stored(path, rule) if stored else read_picture(path, rule).pixels
        flat = values.reshape(-1, values.shape[2])
        if samples and flat.shape[1] != samples[0].shape[1]:
            raise PictureError(
                str(path),
                f'has {flat.shape[1]} bands, {paths[0]} has {samples[0].shape[1]}',
                'take the same bands of all by '
                + of_data_set('picture', dict(bands=(0, 1, 2))),
            )
        total.add(flat.astype(np.float64))
        samples.append(flat[:: -(-len(flat) // _PIXELS)].astype(np.float64))
    low, high = _percentiles(np.concatenate(samples))
    mean, std, least, most = total.result()
    return BandStatistics(len(chosen), total.pixels, mean, std, least, most, low, high)


def _percentiles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of the finite values of each band, NaN where there is none."""
    bands = [band[np.isfinite(band)] for band in values.T]
    found = [
        np.percentile(band, _PERCENTILES) if band.size else (np.nan, np.nan)
        for band in bands
    ]
    low, high = np.asarray(found).T
    return low, high
