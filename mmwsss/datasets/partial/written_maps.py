# Licensed under Apache-2.0.
"""Partial labels to be written: which pictures, from what, under which name."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmwsss.datasets.side_inputs.ids_kind import IdsKind, check_mask, decode_mask
from mmwsss.io.data_errors import LabelError, MaskError
from mmwsss.io.image_files import FileFinder, image_stem, picture_size, share_missing
from mmwsss.io.label_png import save_label_png

from .mark_files import Marks
from .marks import Mark, draw_marks
from .region_points import points_of_mask

Info = Mapping[str, Any]


class MapTask(NamedTuple):
    """One partial label.

    Attributes:
        info: of the picture, as its data set lists it.
        source: the mask or the file of marks that it is made of.
        out: where it is written.
        num_classes: C + 1.
        palette: colours by class id.
        radius: of points and strokes in pixels; ``None``: the whole mask is kept.
        marks: in the place of a mask.
    """

    info: Info
    source: str
    out: str
    num_classes: int
    palette: Sequence[Sequence[int]]
    radius: int | None = None
    marks: tuple[Mark, ...] | None = None


def masks_there(
    infos: Sequence[Info], folder: str, suffix: str
) -> list[tuple[Info, str]]:
    """The pictures that have a mask, with its path, in the order of their names."""
    files, found = FileFinder(folder, True), []
    for info in sorted(infos, key=lambda one: one['img_id']):
        path = files.there(info['img_id'] + suffix, '')
        if path is not None:
            found.append((info, path))
    return found


def chosen(
    found: Sequence[tuple[Info, str]],
    folder: str,
    count: int | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
) -> list[tuple[Info, str]]:
    """Some of the pictures that have a mask.

    Args:
        found: from :func:`masks_there`.
        folder: of the masks, for messages.
        count: how many, drawn by ``seed``: with the same seed the smaller number is a
            part of the larger one.
        seed: of the choice.
        names: those that are asked for instead, or to draw from.

    Raises:
        MaskError: if there are too few, or one that is named has none.
    """
    if names is not None:
        known = {info['img_id']: (info, path) for info, path in found}
        names = [image_stem(name) for name in names]
        lacking = [name for name in names if name not in known]
        if lacking:
            raise MaskError(
                os.path.join(folder, lacking[0] + '.png'),
                'is not there, or its picture is not in the list of the data set: '
                + share_missing(len(lacking), len(names), 'named pictures'),
                'name pictures of the training that have masks',
            )
        found = [known[name] for name in names]
    if count is None:
        count = len(found)
    if not found or count > len(found):
        raise MaskError(
            folder,
            f'holds masks of {len(found)} of the pictures, {max(count, 1)} are asked '
            'for',
            'give the folder of their masks (--ann-dir), or a smaller --count',
        )
    order = list(found)
    random.Random(seed).shuffle(order)
    return order[:count]


def of_marks(infos: Sequence[Info], marks: Marks, source: str) -> Marks:
    """Marks by the ids of their pictures; a name may lack the folders of its picture.

    Args:
        infos: of the data set.
        marks: by the name of the picture.
        source: what they were read from, for messages.

    Raises:
        LabelError: naming a picture that the data set doesn't have.
    """
    known = {info['img_id'] for info in infos}
    short: dict[str, list[str]] = {}
    for name in known:
        short.setdefault(os.path.basename(name), []).append(name)
    found: Marks = {}
    for name, given in marks.items():
        fits = [name] if name in known else short.get(name, [])
        if len(fits) != 1:
            raise LabelError(
                source,
                f'marks {name!r}, which is {"no" if not fits else "more than one"} '
                'picture of the training data',
                'name it as the data set does, with its folders',
            )
        found.setdefault(fits[0], []).extend(given)
    return found


def write_map(task: MapTask) -> dict[int, int]:
    """Write one partial label; gives the pixels of each id.

    Raises:
        DataError: if its mask can't be read, has another size than the picture or ids
            without a class; or a mark lies outside of the picture.
    """
    size = picture_size(task.info['img_path'], task.info.get('picture'))
    if task.marks is not None:
        known = _of_marks(task, size)
    else:
        known = decode_mask(Path(task.source).read_bytes(), task.source)
        IdsKind(classes=True).check_size(task.source, known.shape, task.info, size)
        check_mask(known, task.source, task.num_classes)
        if task.radius is not None:
            known = points_of_mask(known, task.radius)
    save_label_png(known, task.out, task.palette)
    counts = np.bincount(known.reshape(-1))
    return {int(i): int(counts[i]) for i in np.flatnonzero(counts)}


def _of_marks(task: MapTask, size: tuple[int, int]) -> np.ndarray:
    assert task.marks is not None and task.radius is not None
    try:
        return draw_marks(size, task.marks, task.radius)
    except ValueError as err:
        raise LabelError(
            task.source,
            f'marks {task.info["img_path"]} wrongly: {err}',
            'mark it again, by places in the picture as it is shown, x to the right, y '
            'down',
        ) from None
