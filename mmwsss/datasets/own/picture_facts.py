# Licensed under Apache-2.0.
"""How pictures of an unknown kind are to be read, from a bounded number of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from mmwsss.datasets.side_inputs.declaration import spread
from mmwsss.io.data_errors import PictureError, UnreadableImageError
from mmwsss.io.pictures.band_statistics import BandStatistics, band_statistics
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import picture_kind, read_stored
from mmwsss.io.wording import of_data_set

#: pictures whose headers are read, and those that are read whole
HEADERS, WHOLE = 200, 40
#: those that are looked at for a value that stands alone, and the share that it has
_LOOKED_AT, _LONE = 8, 0.02


def find_rule(
    paths: Sequence[str], given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The entries of ``picture=dict(...)`` that pictures need; empty for 8-bit RGB.

    Pictures of more than 8 bits get a ``value_range`` a band from their own values, see
    :func:`robust_range`; those of other bands than grey and RGB all their bands.

    Args:
        paths: of the pictures.
        given: entries that the user gave; they come first.

    Raises:
        PictureError: if pictures of several kinds are mixed.
        DataError: if one can't be read.
    """
    entries = dict(given or {})
    deep, bands = _common_kind(spread(list(paths), HEADERS))
    if bands not in (1, 3) and 'bands' not in entries:
        entries['bands'] = tuple(range(bands))
    if deep and not {'value_range', 'percentiles'} & entries.keys():
        rule = PictureRule.of(entries)
        found = band_statistics(paths, rule, WHOLE, stored=True)
        if not np.isfinite((found.low, found.high)).all():
            raise PictureError(
                paths[0],
                'holds no number in one of its bands or more (NaN or "no data" alone), '
                'nor do the others that were looked at',
                'write them again, or take other bands by '
                + of_data_set('picture', dict(bands=(0, 1, 2))),
            )
        entries['value_range'] = value_range(found)
        _tell_lone_value(paths, rule, entries['value_range'])
    PictureRule.of(entries)
    return entries


def _tell_lone_value(paths: Sequence[str], rule: PictureRule, given: tuple) -> None:
    """Warn of a value as -9999, which means "no data" and no tag says so."""
    for path in spread(list(paths), _LOOKED_AT):
        lone = lone_value(read_stored(path, rule))
        if lone is not None:
            share, value = lone
            print_log(
                f'{path}: {share:.0%} of its values are {value:g}, far from all '
                f'others: "no data"? It counts, and value_range={given} leaves little '
                'contrast to the others: declare it in the files (GDAL: -a_nodata '
                f'{value:g}), or give the range of the others by '
                + of_data_set('picture', dict(value_range=('LOW', 'HIGH'))),
                level=logging.WARNING,
            )
            return


def lone_value(values: np.ndarray) -> tuple[float, float] | None:
    """A value at an end of many pixels that is further off than all others span.

    Args:
        values: of a picture, as they are stored; what isn't finite doesn't count.

    Returns:
        Its share of the values, and itself; ``None``: there is none.

    Example:
        >>> lone_value(np.array([-9999, -9999, 3, 40, 900]))
        (0.4, -9999.0)
    """
    finite = values[np.isfinite(values)].astype(np.float64)
    for end, second in ((np.min, np.min), (np.max, np.max)) if finite.size else ():
        value = end(finite)
        others = finite[finite != value]
        share = 1 - others.size / finite.size
        if others.size < 2 or share < _LONE:
            continue
        if abs(value - second(others)) > np.ptp(others) > 0:
            return float(share), float(value)
    return None


def _common_kind(paths: Sequence[str]) -> tuple[bool, int]:
    """Whether the pictures are deep, and their bands without an alpha channel."""
    kinds: Counter[tuple[bool, int]] = Counter()
    first: dict[tuple[bool, int], str] = {}
    for path in paths:
        try:
            kind = picture_kind(path)
        except UnreadableImageError:
            continue  # said when the data set is opened
        found = kind.deep, kind.bands - kind.alpha
        kinds[found] += 1
        first.setdefault(found, path)
    if len(kinds) > 1 and any(deep or bands not in (1, 3) for deep, bands in kinds):
        seen = ', '.join(
            f'{count} of {"more than 8" if deep else "8"} bits in {bands} bands'
            for (deep, bands), count in kinds.most_common()
        )
        rare = first[kinds.most_common()[-1][0]]
        raise PictureError(
            rare, f'is of another kind than others: {seen}', 'keep one kind in a folder'
        )
    return next(iter(kinds), (False, 3))


def value_range(found: BandStatistics) -> tuple:
    """``value_range`` of pictures: a pair, or one a band where there are several.

    Args:
        found: statistics of the values as they are stored.
    """
    columns = (found.low, found.low_percentile, found.high_percentile, found.high)
    pairs = tuple(robust_range(*map(float, row)) for row in np.stack(columns, 1))
    return pairs[0] if len(pairs) == 1 else pairs


def robust_range(
    low: float, low_percentile: float, high_percentile: float, high: float
) -> tuple[float, float]:
    """Values that become 0 and 255: all of them, without far outliers.

    A value further from the percentiles 2 and 98 than these are from each other is
    one. Small bright objects stay within.

    Args:
        low, high: smallest and largest value.
        low_percentile, high_percentile: 2 % and 98 %.

    Returns:
        (low, high), low below high; whole numbers where the span is 10 or more.

    Example:
        >>> robust_range(0, 100, 1100, 65535), robust_range(0, 5, 90, 120)
        ((0, 2100), (0, 120))
    """
    span = high_percentile - low_percentile
    least = max(low, low_percentile - span)
    most = min(high, high_percentile + span)
    if not most > least:  # a band of one value
        least, most = low, low + 1
    if most - least >= 10:
        return int(np.floor(least)), int(np.ceil(most))
    return float(f'{least:.4g}'), float(f'{most:.4g}')
