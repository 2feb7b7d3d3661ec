# Licensed under Apache-2.0.
"""What a data set holds, counted once before a run: one table and the warnings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmwsss.io.data_errors import DataError
from mmwsss.io.image_files import picture_size

from .partial.partial_labels import PartialLabels
from .rare_classes import CLASS_BALANCED, POS_WEIGHT, rare_channels
from .side_inputs.declaration import spread

#: images whose headers are read for the sizes
SIZE_SAMPLE = 64
#: a class that stands beside another in more than this share of its pictures
TOGETHER = 0.9
#: fewer pictures than this say nothing of what stands together
_ENOUGH = 5
_CHUNK = 4096
_ROWS = 100  # classes that a table shows


@dataclass(frozen=True)
class DataSummary:
    """Counts over a data set.

    Attributes:
        pictures: how many there are.
        classes: foreground classes.
        counts: (C,) int64, pictures of each class.
        empty: pictures without an object.
        unknown: pictures of which nothing says what they hold.
        together: (class, other, share): the other class stands in that share, above
            90 %, of the pictures of the class.
        sizes: (height, width) of a few pictures, spread over the list.
        remarks: what was converted, merged and left out while reading the labels.
        paths: of the pictures, their folders without links.
        partial: what is known of their pixels, where the data set declares it.
    """

    pictures: int
    classes: tuple[str, ...]
    counts: np.ndarray
    empty: int
    unknown: int
    together: tuple[tuple[str, str, float], ...]
    sizes: tuple[tuple[int, int], ...]
    remarks: tuple[str, ...]
    paths: frozenset[str]
    partial: PartialLabels | None = None

    @property
    def labelled(self) -> int:
        """Pictures whose labels are known."""
        return self.pictures - self.unknown

    def headline(self) -> str:
        """One line: pictures, classes, sizes."""
        parts = [f'{self.pictures} pictures', f'{len(self.classes)} classes']
        if self.empty:
            parts.append(f'{self.empty} without an object')
        if self.unknown:
            parts.append(f'{self.unknown} with unknown labels')
        if self.sizes:
            height, width = np.array(self.sizes).T
            parts.append(
                f'{width.min()}-{width.max()} x {height.min()}-{height.max()} pixels '
                f'(width x height; {len(self.sizes)} looked at)'
            )
        return ', '.join(parts)

    def table(self) -> str:
        """Headline, a line for each class, what was left out (the rest: warnings)."""
        wide = max(map(len, ('class', *self.classes[:_ROWS])))
        lines = [self.headline(), f'  {"class":{wide}}  pictures  share']
        share = self.counts / max(self.labelled, 1)
        for name, count, part in list(zip(self.classes, self.counts, share))[:_ROWS]:
            lines.append(f'  {name:{wide}}  {count:8d}  {100 * part:4.1f} %')
        if len(self.classes) > _ROWS:
            lines.append(f'  ... and {len(self.classes) - _ROWS} classes more')
        return '\n'.join([*lines, *(f'  {remark}' for remark in self.remarks)])

    def warnings(self, rare: bool = True) -> list[str]:
        """What ruins a training, a sentence each; ``rare``: rare classes too."""
        if not self.labelled:
            return []
        lacking = [n for n, count in zip(self.classes, self.counts) if not count]
        every = [n for n, count in zip(self.classes, self.counts)
                 if count == self.labelled > 1]  # fmt: skip
        found = []
        if lacking:
            found.append(
                f'no picture of {_some(lacking)}: such a class cannot be learnt. Label '
                'pictures of it, or take it out of the classes.'
            )
        if every:
            found.append(
                f'every picture holds {_some(every)}: without pictures that lack a '
                'class nothing tells it from the background. Add pictures without it, '
                "as negatives (folder or label 'background')."
            )
        for name, other, part in self.together:
            if other not in every:
                found.append(
                    f'{name} comes with {other} in {100 * part:.0f} % of its pictures: '
                    'image labels hardly tell them apart. Add pictures of one alone.'
                )
        return [*found, *(self.rare_classes() if rare else ())]

    def rare_classes(self) -> list[str]:
        """A sentence where classes have few pictures, see :func:`.rare_channels`."""
        channels = rare_channels(self.counts)
        if not channels:
            return []
        most = int(self.counts.argmax())
        few = ', '.join(str(self.counts[c]) for c in channels[:8])
        return [
            f'few pictures of {_some([self.classes[c] for c in channels])} ({few}; '
            f'{self.classes[most]!r} has {self.counts[most]}): what is on so few is '
            'hardly learnt. Add pictures, or train with --cfg-options '
            f'{CLASS_BALANCED} or {POS_WEIGHT} (docs/en/data.md, "Rare classes").'
        ]


def _some(names: Sequence[str]) -> str:
    shown = ', '.join(map(repr, names[:8]))
    return shown + (f' and {len(names) - 8} more' if len(names) > 8 else '')


def count_labels(
    labels: Sequence[Sequence[int]], num_foreground: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of each class, and of each pair.

    Args:
        labels: foreground channels 0..C-1 of each picture.
        num_foreground: C.

    Returns:
        (C,) int64; (C, C) int64, whose diagonal is the first.
    """
    pairs = np.zeros((num_foreground, num_foreground), np.float64)
    for start in range(0, len(labels), _CHUNK):
        part = labels[start : start + _CHUNK]
        rows = np.repeat(np.arange(len(part)), [len(items) for items in part])
        hot = np.zeros((len(part), num_foreground), np.float32)
        hot[rows, np.array([i for items in part for i in items], np.int64)] = 1
        pairs += hot.T @ hot
    counts = pairs.round().astype(np.int64)
    return counts.diagonal().copy(), counts


def often_together(
    counts: np.ndarray, pairs: np.ndarray, classes: Sequence[str]
) -> tuple[tuple[str, str, float], ...]:
    """Classes that hardly come alone, see :class:`DataSummary`.

    Args:
        counts: (C,) pictures of each class.
        pairs: (C, C) pictures of both.
        classes: C names.
    """
    share = pairs / np.maximum(counts, 1)[:, None]
    np.fill_diagonal(share, 0)
    share[counts < _ENOUGH] = 0
    places = np.argwhere(share > TOGETHER)
    return tuple((classes[i], classes[j], float(share[i, j])) for i, j in places)


def summarise(
    infos: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    remarks: Sequence[str] = (),
    look: bool = True,
) -> DataSummary:
    """Count a data set.

    Args:
        infos: its dicts: ``gt_labels``, ``labels_known`` and ``img_path``.
        classes: foreground classes.
        remarks: what was said of the label file.
        look: read the headers of a few pictures.
    """
    known = [info['gt_labels'] for info in infos if info.get('labels_known', True)]
    counts, pairs = count_labels(known, len(classes))
    return DataSummary(
        pictures=len(infos),
        classes=tuple(classes),
        counts=counts,
        empty=sum(not items for items in known),
        unknown=len(infos) - len(known),
        together=often_together(counts, pairs, classes),
        sizes=_sizes(infos) if look else (),
        remarks=tuple(remarks),
        paths=frozenset(_real_paths([info['img_path'] for info in infos])),
    )


def _real_paths(paths: Sequence[str]) -> Iterator[str]:
    """Paths that are equal for one file; each folder is looked at once."""
    folders: dict[str, str] = {}
    for path in paths:
        folder, _, name = path.rpartition('/')
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        yield f'{folders[folder]}/{name}'


def _sizes(infos: Sequence[Mapping[str, Any]]) -> tuple[tuple[int, int], ...]:
    """Sizes of a few pictures; those that can't be read are met elsewhere."""
    found = []
    for info in spread(infos, SIZE_SAMPLE):
        try:
            found.append(picture_size(info['img_path'], info.get('picture')))
        except DataError:
            continue
    return tuple(found)
