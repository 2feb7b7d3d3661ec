# Licensed under Apache-2.0.
"""Every split of a config or a folder, and the splits against each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.datasets.own.folder_cfgs import folder_splits
from mmwsss.datasets.own.layout import SPLITS
from mmwsss.datasets.weak_seg_dataset import WeakSegDataset
from mmwsss.engine.hooks.data_report import data_sets_in
from mmwsss.io.errors import UserError
from mmwsss.registry import DATASETS

from .check_line import CheckLine
from .equal_files import equal_files
from .split_check import SplitCheck, check_split

#: groups of equal files that get a line each
_SHOWN = 10


def split_cfgs(source: Config | str | Path) -> dict[str, dict[str, Any]]:
    """Configs of the data sets of a config, or of a folder, by split.

    Splits of one config of a data set (``test_dataloader = val_dataloader``) are one.
    """
    if not isinstance(source, Config):
        return folder_splits(source)
    init_default_scope(source.get('default_scope', 'mmwsss'))
    found: dict[str, dict[str, Any]] = {}
    for split in SPLITS:
        loader = source.get(f'{split}_dataloader')
        if loader and all(dict(loader['dataset']) != other for other in found.values()):
            found[split] = dict(loader['dataset'])
    return found


def open_splits(
    cfgs: Mapping[str, dict[str, Any]],
) -> tuple[dict[str, WeakSegDataset], list[CheckLine]]:
    """Data sets by split, and lines of those that can't be opened.

    Args:
        cfgs: of the data sets, by split.
    """
    found: dict[str, WeakSegDataset] = {}
    lines: list[CheckLine] = []
    for name, cfg in cfgs.items():
        try:
            dataset = DATASETS.build(unchecked(cfg))
        except (UserError, OSError) as err:
            lines.append(CheckLine(True, f'{name}: {err}'))
            continue
        parts = list(data_sets_in(dataset))
        if not parts:
            lines.append(CheckLine(False, f'{name}: {cfg["type"]} is not looked at'))
        for i, part in enumerate(parts):
            found[name if len(parts) == 1 else f'{name}_{i + 1}'] = part
    return found, lines


def check_data(
    datasets: Mapping[str, WeakSegDataset], workers: int = 0
) -> tuple[list[SplitCheck], list[CheckLine]]:
    """Check data sets, and their pictures against each other.

    Args:
        datasets: as :func:`open_splits` opens them.
        workers: processes.

    Returns:
        The splits; and all that is wrong, what is refused first.
    """
    splits = [check_split(name, data, workers) for name, data in datasets.items()]
    lines = [
        CheckLine(line.refused, f'{split.name}: {line.text}')
        for split in splits
        for line in split.lines
    ]
    return splits, [*lines, *duplicate_lines(splits)]


def unchecked(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a data set that reads nothing when it is opened, nor later."""
    cfg = dict(cfg)
    if 'datasets' in cfg:
        return cfg | dict(datasets=[unchecked(part) for part in cfg['datasets']])
    if 'dataset' in cfg:
        return cfg | dict(dataset=unchecked(cfg['dataset']))
    kind = DATASETS.get(str(cfg.get('type')))
    if not hasattr(kind, 'summary'):
        return cfg
    return cfg | dict(check_samples=0, pipeline=[])


def duplicate_lines(splits: Sequence[SplitCheck]) -> list[CheckLine]:
    """Pictures of one content under several names: with other labels, or in two splits.

    Pictures of one colour are equal without being one photo.
    """
    labels: dict[str, tuple[int, ...] | None] = {}
    inside: dict[str, set[str]] = {}
    for split in splits:
        for info, photo in zip(split.infos, split.photos, strict=True):
            if not photo.broken and not photo.blank:
                known = info['labels_known']
                labels[photo.path] = info['gt_labels'] if known else None
                inside.setdefault(photo.path, set()).add(split.name)
    lines = [_shared(path, names) for path, names in inside.items() if len(names) > 1]
    groups = equal_files(labels)
    against = [g for g in groups if len({labels[path] for path in g} - {None}) > 1]
    across = [g for g in groups if len(_splits(g, inside)) > 1 and g not in against]
    same = [g for g in groups if g not in against and g not in across]
    return [
        *_some(lines),
        *_some(CheckLine(True, f'{_names(g)} are one photo with different labels: '
                         'keep one, with all classes') for g in against),
        *_some(CheckLine(False, f'{_names(g)} are one photo in the splits '
                         f'{", ".join(sorted(_splits(g, inside)))}: scores say nothing '
                         'of other photos') for g in across),
        *_some(CheckLine(False, f'{_names(g)} are one photo') for g in same),
    ]  # fmt: skip


def _shared(path: str, splits: Collection[str]) -> CheckLine:
    return CheckLine(
        False,
        f'{path} is in the splits {", ".join(sorted(splits))}: scores say nothing of '
        'other photos',
    )


def _splits(group: Iterable[str], inside: Mapping[str, set[str]]) -> set[str]:
    return set().union(*(inside[path] for path in group))


def _names(group: Sequence[str]) -> str:
    more = f' and {len(group) - 3} more' if len(group) > 3 else ''
    return ', '.join(group[:3]) + more


def _some(lines: Iterable[CheckLine]) -> Iterator[CheckLine]:
    """The first lines, and how many more there are."""
    lines = list(lines)
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        refused, text = lines[0]
        yield CheckLine(refused, f'... and {len(lines) - _SHOWN} more of these: {text}')
