# Licensed under Apache-2.0.
"""The report of a checked data set, in Markdown with two sheets of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmwsss.io.pictures.band_statistics import BandStatistics

from .check_line import CheckLine
from .split_check import SplitCheck

REPORT, SAMPLES, ODD = 'report.md', 'samples.png', 'odd.png'
#: odd pictures that are listed
_LISTED = 50


def report(
    source: str, splits: Sequence[SplitCheck], lines: Sequence[CheckLine],
    pictures: Sequence[str],
) -> str:  # fmt: skip
    """Markdown.

    Args:
        source: what was checked.
        splits: as they were found.
        lines: all that is wrong, that of the splits too.
        pictures: names of the sheets that lie beside it.
    """
    refused = sum(line.refused for line in lines)
    parts = [
        f'# {source}',
        f'{refused} refused, {len(lines) - refused} warnings.',
        *(f'- {line}' for line in lines),
        '',
    ]
    for split in splits:
        parts += [f'## {split.name}', *_split(split), '']
    for name in pictures:
        parts.append(f'![{Path(name).stem}]({name})\n')
    return '\n'.join(parts) + '\n'


def _split(split: SplitCheck) -> list[str]:
    """What a split holds."""
    photos = [photo for photo in split.photos if not photo.problem]
    parts = ['```', split.dataset.summary(look=False).table(), '```', '']
    if photos:
        height, width = np.array([photo.size for photo in photos]).T
        least, most = (
            f'{width.min()} x {height.min()}',
            f'{width.max()} x {height.max()}',
        )
        middle = f'{np.median(width):.0f} x {np.median(height):.0f}'
        parts.append(f'Sizes (width x height): {least} to {most}, median {middle}.')
    turned = Counter(p.orientation for p in photos if p.orientation != 1)
    told = ', '.join(f'{count} of orientation {o}' for o, count in turned.items())
    parts.append(f'Turned by their EXIF: {told or "none"}.')
    if split.masks or split.dataset.with_masks:
        parts.append(f'Masks read: {len(split.masks)}.')
    if split.bands:
        parts += ['', *_bands(*split.bands)]
    if split.odd:
        parts += ['', f'Odd pictures: {len(split.odd)}', '']
        parts += [f'- {photo.path}: {photo.oddity}' for photo in split.odd[:_LISTED]]
    if split.against:
        parts += ['', f'Masks against their label: {len(split.against)}', '']
        parts += [f'- {mask.path}' for mask in split.against[:_LISTED]]
    return parts


def _bands(seen: BandStatistics, stored: BandStatistics) -> list[str]:
    """A row for each band."""
    head = 'band | mean | std | stored from | to | 2 % | 98 %'
    rows = [f'| {head} |', '|' + '---|' * (head.count('|') + 1)]
    for i in range(max(len(seen.mean), len(stored.mean))):
        of = [seen.mean, seen.std, stored.low, stored.high,
              stored.low_percentile, stored.high_percentile]  # fmt: skip
        cells = [f'{values[i]:.6g}' if i < len(values) else '' for values in of]
        rows.append(f'| {i} | {" | ".join(cells)} |')
    return [
        f'Levels that the network gets (0..255: `mean` and `std` of the data '
        f'preprocessor) and values in the files, of {seen.pictures} pictures:',
        '',
        *rows,
    ]
