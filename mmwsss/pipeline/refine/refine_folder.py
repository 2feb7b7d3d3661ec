# Licensed under Apache-2.0.
"""Refine a folder of score maps with their images into label PNGs."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmwsss.cam import keep_known
from mmwsss.cli.progress_bar import progress_bar
from mmwsss.datasets.side_inputs.declaration import folder_of, read_declarations
from mmwsss.datasets.side_inputs.ids_kind import decode_mask
from mmwsss.io.data_errors import DataError, MaskError, UnreadableImageError
from mmwsss.io.image_files import image_stem, picture_size
from mmwsss.io.label_png import is_label_png, save_label_png
from mmwsss.io.output_folder import claim_outputs, refuse_inputs
from mmwsss.io.provenance import (
    KEY,
    MANIFEST,
    code_facts,
    continued,
    record_of_folder,
)
from mmwsss.io.score_files import SUFFIXES
from mmwsss.io.settings_hash import settings_hash
from mmwsss.pipeline.lock import OUTPUT_LOCK, folder_lock
from mmwsss.pipeline.manifest import read_manifest, write_manifest
from mmwsss.pipeline.workers import Workers

from .refine_cfg import Item, RefineCfg, Task, read_item, refine_items

_SHOWN = 8
Results = Generator[tuple[Task, str | None], None, None]


@dataclass
class RefineReport:
    """What became of the images.

    Attributes:
        written: number of labels written.
        skipped: number of labels that were there already.
        failed: message by image name.
    """

    written: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def refine_folder(
    images: str | Path,
    scores: str | Path,
    out: str | Path,
    cfg: RefineCfg,
    *,
    names: Sequence[str] | None = None,
    partial_labels: str | Path | None = None,
    workers: int = 0,
    device: str = 'cpu',
    batch_size: int | None = None,
    overwrite: bool = False,
) -> RefineReport:
    """Refine the score maps of a folder; writes ``OUT/NAME.png``.

    Labels that are there are kept: an interrupted call is resumed by calling it again.
    A file that fails doesn't stop the others.

    Args:
        images: folder of the images.
        scores: folder of the maps, see :mod:`mmwsss.io.score_files`.
        out: folder of the labels.
        cfg: what to do.
        names: images to refine; default: all of ``images``.
        partial_labels: folder of PNGs of pixels whose class is known, 255 elsewhere,
            for some of the images: these stay as they are in the labels.
        workers: on a CPU processes of one thread each, 0 or 1 = this one; where images
            are batched threads that read and write.
        device: where to refine.
        batch_size: images of one size at once; default: 8 on a GPU, else 1.
        overwrite: write labels again that are there.

    Raises:
        DataError: before any work, if images or maps are missing.
        ValueError: if there is no such device.
        RuntimeError: if a worker process was killed, or another run writes to ``out``.
        KeyboardInterrupt: after the files at work have been finished.
    """
    _check_device(device)
    tasks = plan(images, scores, out, cfg.kind, names)
    if cfg.side_inputs:
        tasks = _with_side_inputs(tasks, cfg)
        declared = cfg.side_inputs.values()
        refuse_inputs(
            out, [folder_of(e, None) for e in declared], 'the folder of labels'
        )
    if partial_labels is not None:
        tasks = _with_known(tasks, partial_labels)
        refuse_inputs(out, (partial_labels,), 'the folder of labels')
    refuse_inputs(out, (images, scores), 'the folder of labels')
    with folder_lock(Path(out), '--out', OUTPUT_LOCK):
        files = [(Path(task.out).name, task.image) for task in tasks]
        claim_outputs(out, [*files, (MANIFEST, str(scores))], option='the labels')
        _note_origin(Path(out), cfg, str(images), str(scores), len(tasks), overwrite)
        return _refine(tasks, cfg, workers, device, batch_size, overwrite)


def _note_origin(
    out: Path, cfg: RefineCfg, images: str, scores: str, count: int, overwrite: bool
) -> None:
    """Write beside the labels where they come from: code, settings, maps."""
    settings = asdict(cfg)
    maps = dict(role='maps', source=scores, sha256=None)
    record = dict(
        code=code_facts(),
        config=dict(path=None, hash=settings_hash(settings)),
        data=[dict(kind='folder', path=images, pictures=count)],
        parents=[maps | dict(record=record_of_folder(scores))],
    )
    there = None if overwrite else read_manifest(out)
    if there is not None:
        how = dict(role='begun', source=str(out), sha256=None)
        record = continued(there.get(KEY), record, **how)
    write_manifest(out, dict(settings=settings, images=count) | {KEY: record})


def _refine(
    tasks: Sequence[Task],
    cfg: RefineCfg,
    workers: int,
    device: str,
    batch_size: int | None,
    overwrite: bool,
) -> RefineReport:
    report = RefineReport()
    todo = [t for t in tasks if overwrite or not is_label_png(t.out)]
    report.skipped = len(tasks) - len(todo)
    if not todo:
        return report
    if batch_size is None:
        batch_size = 1 if torch.device(device).type == 'cpu' else 8
    if batch_size > 1 or torch.device(device).type != 'cpu':
        results = _batched(todo, cfg, device, batch_size, max(workers, 1))
    else:
        results = _one_by_one(todo, cfg, workers if workers > 1 else 0)
    # closing ends the workers whatever happens
    with closing(results), progress_bar(len(todo)) as bar:
        for task, error in results:
            if error is None:
                report.written += 1
            else:
                report.failed[Path(task.out).stem] = error
            bar.update()
    return report


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as err:
        raise ValueError(f'the device {device!r} cannot be used: {err}') from err


# ------------------------------------------------------------------ what there is to do
def plan(
    images: str | Path,
    scores: str | Path,
    out: str | Path,
    kind: str,
    names: Sequence[str] | None = None,
) -> list[Task]:
    """The files that belong together, by name.

    Raises:
        DataError: if folders or files are missing, or a name is there twice.
    """
    photos = _by_stem(images, lambda name: image_stem(name) != name)
    maps = _by_stem(scores, lambda name: name.lower().endswith(SUFFIXES[kind]))
    wanted = (
        sorted(photos) if names is None else list(dict.fromkeys(map(image_stem, names)))
    )
    _refuse_missing(
        images,
        [n for n in wanted if n not in photos],
        'no image',
        'take them out of the list of names',
    )
    _refuse_missing(
        scores,
        [n for n in wanted if n not in maps],
        f'no maps ({", ".join(SUFFIXES[kind])})',
        'compute them, or name those that have some: --list FILE',
    )
    if names is None:
        spare = sorted(set(maps) - set(photos))
        _refuse_missing(
            images,
            spare,
            f'maps in {scores}, no image',
            'give the folder of their images',
        )
    if not wanted:
        raise DataError(str(images), 'holds no image', 'give a folder of images')
    return [Task(photos[n], maps[n], str(Path(out) / f'{n}.png')) for n in wanted]


def _with_known(tasks: Sequence[Task], folder: str | Path) -> list[Task]:
    """The tasks with what is known of some of their images.

    Raises:
        DataError: if the folder has a file of none of them.
    """
    known = _by_stem(folder, lambda name: name.lower().endswith('.png'))
    found = [task._replace(known=known.get(Path(task.out).stem)) for task in tasks]
    if not any(task.known for task in found):
        raise DataError(
            str(folder),
            f'has no PNG of any of the {len(tasks)} images (first: '
            f'{Path(tasks[0].out).name})',
            'name each as its image, or leave out --partial',
        )
    return found


def _with_side_inputs(tasks: Sequence[Task], cfg: RefineCfg) -> list[Task]:
    """The tasks with what the labeler takes of each image, found and checked.

    Raises:
        DataError: naming the first file that is missing or doesn't fit its image.
    """
    infos: list[dict[str, Any]] = [
        dict(img_id=Path(task.out).stem, img_path=task.image, picture=cfg.rule)
        for task in tasks
    ]
    for one in read_declarations(cfg.side_inputs, None):
        one.find(infos)
    return [
        task._replace(side=tuple(info['side_inputs'].items()))
        for task, info in zip(tasks, infos, strict=True)
    ]


def _by_stem(folder: str | Path, wanted: Callable[[str], bool]) -> dict[str, str]:
    if not Path(folder).is_dir():
        raise DataError(str(folder), 'is no folder', 'check the path')
    found: dict[str, str] = {}
    for name in sorted(filter(wanted, os.listdir(folder))):
        path, stem = os.path.join(folder, name), os.path.splitext(name)[0]
        if stem in found:
            raise DataError(path, f'has the name of {found[stem]}', 'remove one')
        found[stem] = path
    return found


def _refuse_missing(
    folder: str | Path, lacking: list[str], problem: str, fix: str
) -> None:
    if lacking:
        more = ', ...' if len(lacking) > _SHOWN else ''
        shown = ', '.join(lacking[:_SHOWN]) + more
        raise DataError(
            str(folder), f'has {problem} for {len(lacking)} names: {shown}', fix
        )


# ------------------------------------------------------------------ the ways to do it
def _one_file(cfg: RefineCfg, task: Task) -> str | None:
    """Read, refine, write; gives the message of an error."""
    try:
        (label,) = refine_items(cfg, [read_item(cfg, task)])
        save_label_png(_kept(task, label), task.out, cfg.palette)
    except Exception as err:  # whatever it is, the other files go on
        return _message(task, err)
    return None


def _kept(task: Task, label: np.ndarray) -> np.ndarray:
    """A label in which the pixels that are known have their class.

    Raises:
        MaskError: if what is known can't be read, or has another size.
    """
    if task.known is None:
        return label
    known = decode_mask(Path(task.known).read_bytes(), task.known).astype(np.uint8)
    if known.shape != label.shape:
        raise MaskError(
            task.known,
            f'is {known.shape}, the label of {task.image} {label.shape}',
            'make it from this very image',
        )
    return keep_known(torch.from_numpy(label), torch.from_numpy(known)).numpy()


def _message(task: Task, err: Exception) -> str:
    known = isinstance(err, DataError)
    return str(err) if known else f'{task.image}: {type(err).__name__}: {err}'


def _one_by_one(tasks: Sequence[Task], cfg: RefineCfg, workers: int) -> Results:
    with Workers(min(workers, len(tasks)), preload=[__name__]) as pool:
        yield from pool.map(partial(_one_file, cfg), tasks, ordered=False)


def _batched(
    tasks: Sequence[Task], cfg: RefineCfg, device: str, batch_size: int, threads: int
) -> Results:
    with Workers(threads, threads=True, device=device) as pool:
        for chunk in _of_one_size(tasks, batch_size):
            errors: dict[Task, str | None] = dict.fromkeys(chunk)
            items = dict(pool.map(partial(_read_or_message, cfg), chunk))
            labels: dict[Task, np.ndarray] = {}
            for group in _group_by_shape(items, errors):
                labels |= _refine_group(cfg, group, device, errors)
            for (task, _), error in pool.map(partial(_save, cfg), labels.items()):
                errors[task] = error
            yield from errors.items()


def _of_one_size(tasks: Sequence[Task], batch_size: int) -> Iterator[list[Task]]:
    def size(task: Task) -> tuple[int, ...]:
        try:
            return picture_size(task.image)
        except UnreadableImageError:
            return ()  # reading it will say why

    sizes = {task: size(task) for task in tasks}
    for _, group in groupby(sorted(tasks, key=sizes.__getitem__), sizes.get):
        members = list(group)
        for start in range(0, len(members), batch_size):
            yield members[start : start + batch_size]


def _read_or_message(cfg: RefineCfg, task: Task) -> Item | str:
    try:
        return read_item(cfg, task)
    except Exception as err:
        return _message(task, err)


def _group_by_shape(
    items: dict[Task, Item | str], errors: dict[Task, str | None]
) -> list[dict[Task, Item]]:
    """Items with as many maps together; errors of reading are noted."""
    groups: dict[tuple[int, ...], dict[Task, Item]] = {}
    for task, item in items.items():
        if isinstance(item, str):
            errors[task] = item
        else:
            groups.setdefault(tuple(item.maps.shape), {})[task] = item
    return list(groups.values())


def _refine_group(
    cfg: RefineCfg, group: dict[Task, Item], device: str, errors: dict[Task, str | None]
) -> dict[Task, np.ndarray]:
    try:
        return dict(zip(group, refine_items(cfg, list(group.values()), device)))
    except Exception as err:
        if len(group) == 1:
            errors.update({task: _message(task, err) for task in group})
            return {}
    labels: dict[Task, np.ndarray] = {}  # one by one, to know which one is wrong
    for task, item in group.items():
        labels |= _refine_group(cfg, {task: item}, device, errors)
    return labels


def _save(cfg: RefineCfg, entry: tuple[Task, np.ndarray]) -> str | None:
    task, label = entry
    try:
        save_label_png(_kept(task, label), task.out, cfg.palette)
    except Exception as err:
        return _message(task, err)
    return None
