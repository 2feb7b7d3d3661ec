# Licensed under Apache-2.0.
"""Statistics and a contact sheet of a folder of pseudo masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.datasets.label_channels import LabelChannels
from mmwsss.datasets.readers.reading import read_table
from mmwsss.evaluation.label_stats import LabelStats, mask_stats
from mmwsss.evaluation.tables import percent, text_table
from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import image_stem
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import read_rgb
from mmwsss.io.score_files import load_scores
from mmwsss.pipeline.workers import parallel_map
from mmwsss.visualization.panels import compose_panel, sample_tiles

from .evaluate_maps import read_mask

Labels = Mapping[str, Sequence[int]]


def label_ids(path: str, classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Class ids of every image of a label file, by name without suffix.

    Raises:
        LabelError: if it names an unknown class.
    """
    channels = LabelChannels(classes)
    table = read_table(path, known=channels.vocabulary)
    found = {}
    for name, items in table.labels.items():
        labels = channels.find(name, items, table)
        found[image_stem(name)] = tuple(channel + 1 for channel in labels or ())
    return found


def folder_stats(
    folder: str | Path,
    names: Sequence[str],
    num_classes: int,
    labels: Labels | None = None,
    workers: int = 0,
) -> LabelStats:
    """Add up all masks.

    Args:
        folder: of the masks.
        names: of the masks, without suffix.
        num_classes: K, background included.
        labels: class ids of the image labels by name, or ``None``.
        workers: processes; 0 or 1: this one.

    Raises:
        DataError: naming a mask that can't be read, or that has no image label.
    """
    absent = [] if labels is None else [name for name in names if name not in labels]
    if absent:
        raise LabelError(
            'the image labels',
            f'lack {len(absent)} of {len(names)} masks (first: {absent[0]})',
            'give the labels of this split',
        )
    tasks = [
        (str(Path(folder) / f'{name}.png'), labels and labels[name]) for name in names
    ]
    total = LabelStats.zeros(num_classes)
    for one in parallel_map(
        partial(_one_mask, num_classes), tasks, workers, (__name__,)
    ):
        total += one
    return total


def _one_mask(num_classes: int, task: tuple[str, Sequence[int] | None]) -> LabelStats:
    path, labels = task
    return mask_stats(read_mask(path, num_classes), num_classes, labels)


def stats_dict(stats: LabelStats, classes: Sequence[str]) -> dict[str, Any]:
    """Numbers for a file; shares in percent, ``None`` where undefined."""
    shares = stats.shares()
    labelled = bool(stats.labelled.any())
    rows = {}
    for i, name in enumerate(classes):
        rows[name] = dict(images=int(stats.images[i])) | {
            key: _share(shares[key][i]) for key in ('pixels', 'ignored')
        }
        if labelled and i:
            rows[name] |= dict(
                labelled=int(stats.labelled[i]),
                lost=int(stats.lost[i]),
                foreign=int(stats.foreign[i]),
            )
    return dict(
        masks=stats.masks,
        ignored=_share(stats.ignored_total / max(stats.total, 1)),
        lost=int(stats.lost.sum()),
        foreign=int(stats.foreign.sum()),
        classes=rows,
    )


def _share(value: float) -> float | None:
    return round(100 * float(value), 4) if np.isfinite(value) else None


def stats_table(stats: LabelStats, classes: Sequence[str]) -> str:
    """Markdown, one row a class."""
    shares = stats.shares()
    labelled = bool(stats.labelled.any())
    header = ['class', 'images', 'pixels %', 'ignored % in them']
    header += ['labelled', 'of them lost', 'lost %', 'foreign'] if labelled else []
    rows = []
    for i, name in enumerate(classes):
        row = [
            name,
            str(stats.images[i]),
            percent(shares['pixels'][i]),
            percent(shares['ignored'][i]),
        ]
        if labelled:
            row += [
                str(stats.labelled[i]),
                str(stats.lost[i]),
                percent(shares['lost'][i]),
                str(stats.foreign[i]),
            ]
            if not i:
                row[4:] = ['-'] * 4
        rows.append(row)
    ignored = percent(stats.ignored_total / max(stats.total, 1))
    return f'{stats.masks} masks, {ignored} % ignored\n{text_table(header, rows)}'


def contact_sheet(
    masks: Path,
    cams: Path | None,
    pictures: Mapping[str, str],
    classes: Sequence[str],
    palette: Any = None,
    labels: Labels | None = None,
    rule: PictureRule | None = None,
) -> np.ndarray:
    """A row for each picture: image, CAM where there is one, mask.

    Args:
        masks: folder of the masks.
        cams: folder of the CAM files, or ``None``.
        pictures: path of the picture by name.
        classes: names, background first.
        palette: colours by class id.
        labels: class ids of the image labels by name, or ``None``.
        rule: how the pictures are read; ``None``: 8-bit RGB, turned upright.

    Returns:
        RGB (H, W, 3) uint8.
    """
    rows = []
    for name, path in pictures.items():
        image = read_rgb(path, rule)
        outputs = dict(pseudo=read_mask(masks / f'{name}.png', len(classes)))
        if cams is not None:
            scores = load_scores(cams / f'{name}.npz', 'cam', image.shape[:2]).scores
            outputs = dict(cam=scores.max(0), **outputs)
        rows.append(
            sample_tiles(
                image,
                outputs,
                classes,
                palette,
                (labels or {}).get(name, ()),
                max_side=320,
            )
        )
    return compose_panel(rows, classes, palette)
