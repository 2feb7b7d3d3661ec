# Licensed under Apache-2.0.
"""One split: all its pictures, masks and side inputs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mmwsss.datasets.mask_checks.check_masks import own_palette
from mmwsss.datasets.mask_checks.finding import Finding
from mmwsss.datasets.mask_checks.mask_facts import MaskFacts, look_at
from mmwsss.datasets.mask_checks.mask_findings import held_against_labels, mask_findings
from mmwsss.datasets.mask_checks.partial_findings import partial_findings
from mmwsss.datasets.partial.partial_labels import with_partial
from mmwsss.datasets.side_inputs.exif_masks import check_decided
from mmwsss.datasets.verify import verify_item
from mmwsss.datasets.weak_seg_dataset import WeakSegDataset
from mmwsss.io.data_errors import DataError, MaskError
from mmwsss.io.errors import UserError
from mmwsss.io.image_files import FileFinder
from mmwsss.io.pictures.band_statistics import BandStatistics, band_statistics
from mmwsss.pipeline.workers import parallel_map

from .check_line import CheckLine
from .photo_facts import PhotoFacts, photo_facts


@dataclass
class SplitCheck:
    """What was found in a split.

    Attributes:
        name: of the split.
        dataset: the data set.
        infos: its list.
        photos: what is known of each picture of the list.
        masks: of each mask that can be read.
        lines: what is wrong.
        bands: statistics of what the network gets, and of the stored values.
    """

    name: str
    dataset: WeakSegDataset
    infos: list[dict] = field(default_factory=list)
    photos: list[PhotoFacts] = field(default_factory=list)
    masks: list[MaskFacts] = field(default_factory=list)
    lines: list[CheckLine] = field(default_factory=list)
    bands: tuple[BandStatistics, BandStatistics] | None = None

    @property
    def odd(self) -> list[PhotoFacts]:
        """Pictures that are unusual."""
        return [photo for photo in self.photos if photo.oddity]

    @property
    def against(self) -> list[MaskFacts]:
        """Masks that hold none of the classes that their label names."""
        return held_against_labels(self.masks)[1]


def check_split(name: str, dataset: WeakSegDataset, workers: int = 0) -> SplitCheck:
    """Read all files of a split.

    Args:
        name: of the split.
        dataset: built with ``check_samples=0``.
        workers: processes.
    """
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    found = SplitCheck(name, dataset, infos)
    tasks = [(info['img_path'], dataset.picture) for info in infos]
    found.photos = parallel_map(
        photo_facts, tasks, workers, (__name__,), sys.stderr.isatty()
    )
    told = dataset.summary().warnings(rare=not dataset.test_mode)
    found.lines += [CheckLine(False, text) for text in told]
    found.lines += _photo_lines(found.photos)
    if not dataset.with_masks:
        infos = found.infos = _with_masks(dataset, infos)
    if not _is_pseudo(dataset):
        found.lines += _turned(infos, found.photos)
    found.lines += _mask_lines(found, infos, workers)
    if dataset.side_inputs:
        whole = [info for info, p in zip(infos, found.photos) if not p.problem]
        read = partial(_side_problem, dataset.ignore_index)
        problems = parallel_map(read, whole, workers, (__name__,), sys.stderr.isatty())
        found.lines += _first_of(list(filter(None, problems)), len(whole))
    if dataset.partial is not None:
        found.lines += _partial_lines(found, workers)
    good = [photo.path for photo in found.photos if not photo.problem]
    if good:
        found.bands = _statistics(good, dataset, found.lines)
    return found


def _statistics(
    paths: Sequence[str], dataset: WeakSegDataset, lines: list[CheckLine]
) -> tuple[BandStatistics, BandStatistics] | None:
    try:
        return (
            band_statistics(paths, dataset.picture),
            band_statistics(paths, dataset.picture, stored=True),
        )
    except UserError as err:
        lines.append(CheckLine(False, str(err)))
        return None


def _photo_lines(photos: Sequence[PhotoFacts]) -> list[CheckLine]:
    """A line for unreadable pictures, one for those that no rule covers."""
    lines = []
    for broken in (True, False):
        bad = [p.problem for p in photos if p.problem and p.broken == broken]
        lines += _first_of(bad, len(photos))
    odd: dict[str, list[str]] = {}
    for photo in photos:
        if photo.oddity and not photo.problem:
            odd.setdefault(photo.oddity, []).append(photo.path)
    return lines + [
        CheckLine(False, f'{len(paths)} pictures are odd ({word}): first {paths[0]}')
        for word, paths in odd.items()
    ]


def _first_of(problems: Sequence[str], count: int) -> list[CheckLine]:
    """The first of problems of one kind, and how many there are."""
    if not problems:
        return []
    more = f' ({len(problems)} of {count} files)' if len(problems) > 1 else ''
    return [CheckLine(True, problems[0] + more)]


def _turned(infos: Sequence[dict], photos: Sequence[PhotoFacts]) -> list[CheckLine]:
    """Photos that are turned by their EXIF, where nothing says how masks lie."""
    turned = [
        (info, photo)
        for info, photo in zip(infos, photos, strict=True)
        if photo.orientation != 1 and 'seg_map_path' in info
    ]
    problems = []
    for info, photo in turned:
        try:
            check_decided(
                {**info, 'exif_orientation': photo.orientation}, info['seg_map_path']
            )
        except MaskError as err:
            problems.append(str(err))
    return _first_of(problems, len(infos))


def _is_pseudo(dataset: WeakSegDataset) -> bool:
    """Whether the masks are pseudo masks, to be trained on."""
    return dataset.with_masks and not dataset.has_true_masks


def _with_masks(dataset: WeakSegDataset, infos: Sequence[dict]) -> list[dict]:
    """Pictures with the true masks that are there, which weak training never reads."""
    folder = dataset.data_prefix.get('seg_map_path')
    if not folder:
        return list(infos)
    files = FileFinder(folder, True)
    found = [files.there(info['img_id'], dataset.seg_map_suffix) for info in infos]
    return [
        {**info, 'seg_map_path': path} if path else info
        for info, path in zip(infos, found, strict=True)
    ]


def _mask_lines(
    found: SplitCheck, infos: Sequence[dict], workers: int
) -> list[CheckLine]:
    """All masks that there are, against labels and classes."""
    masked = [info for info in infos if 'seg_map_path' in info]
    if not masked:
        return []
    results = parallel_map(_mask, masked, workers, (__name__,), sys.stderr.isatty())
    found.masks = [one for one in results if isinstance(one, MaskFacts)]
    lines = _first_of([one for one in results if isinstance(one, str)], len(results))
    dataset = found.dataset
    palette = own_palette(dataset.metainfo)
    findings: list[Finding] = mask_findings(
        found.masks, dataset.metainfo['classes'], palette, _is_pseudo(dataset)
    )
    return lines + [
        CheckLine(
            one.refused and (dataset.check_masks or one.limit == 0), f'masks: {one}'
        )
        for one in findings
    ]


def _partial_lines(found: SplitCheck, workers: int) -> list[CheckLine]:
    """All partial labels against labels and classes, but for unreadable ones."""
    dataset = found.dataset
    facts = parallel_map(
        _mask, with_partial(found.infos), workers, (__name__,), sys.stderr.isatty()
    )
    masks = [one for one in facts if isinstance(one, MaskFacts)]
    return [
        CheckLine(
            one.refused and (dataset.check_masks or one.limit == 0),
            f'partial labels: {one}',
        )
        for one in partial_findings(masks, dataset.metainfo['classes'])
    ]


def _mask(info: dict[str, Any]) -> MaskFacts | str:
    try:
        return look_at(info)
    except DataError as err:
        return str(err)


def _side_problem(ignore_index: int, info: dict[str, Any]) -> str:
    try:
        verify_item(
            {k: v for k, v in info.items() if k != 'seg_map_path'}, ignore_index
        )
    except DataError as err:
        return str(err)
    return ''
