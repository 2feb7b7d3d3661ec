# Licensed under Apache-2.0.
"""Pictures that a tool predicts one by one: a folder's, or those of a data set."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log

from mmwsss.cli.progress_bar import progress_bar
from mmwsss.io.image_files import photos_in
from mmwsss.io.known_labels import labels_known
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import read_picture
from mmwsss.pipeline.evaluate.eval_tasks import split_infos


@dataclass(frozen=True)
class Photo:
    """One picture.

    Attributes:
        name: for tables.
        path: its file.
        rule: how it is read.
        labels: class ids 1..C of its image label, ``()``: it holds no object;
            ``None``: nobody knows.
        info: its entry in the data set, where it is of one.
    """

    name: str
    path: str
    rule: PictureRule | None = None
    labels: tuple[int, ...] | None = None
    info: Mapping[str, Any] | None = None


def photos_of_folder(path: Path, rule: PictureRule | None) -> list[Photo]:
    """A photo, or the photos of a folder; of their labels nothing is known.

    Raises:
        FileNotFoundError: if there is none.
    """
    return [Photo(one.name, str(one), rule) for one in photos_in(path)]


def photos_of_split(
    cfg: Config, split: str | None, masks: bool = False, limit: int | None = None
) -> list[Photo]:
    """The pictures of a data set's split with their image labels.

    Args:
        cfg: whose data set is meant.
        split: as for ``tools/generate_pseudo_labels.py``; ``None``: the training
            images.
        masks: whether masks are wanted, and checked, too.
        limit: at most so many, drawn with a fixed seed: lists are often sorted by
            class.
    """
    infos = split_infos(cfg, split, masks)[0]
    if limit is not None and limit < len(infos):
        drawn = np.random.default_rng(0).permutation(len(infos))[:limit]
        infos = [infos[i] for i in sorted(drawn)]
    return [
        Photo(
            info['img_id'],
            info['img_path'],
            info.get('picture'),
            tuple(c + 1 for c in info['gt_labels']) if labels_known(info) else None,
            info,
        )
        for info in infos
    ]


def read_each(
    photos: Sequence[Photo], failed: dict[str, str]
) -> Iterator[tuple[Photo, np.ndarray]]:
    """Read one after the other, with a bar; what can't be read is left out.

    Args:
        photos: to be read.
        failed: gets path → message of those that can't be.

    Yields:
        The photo and its pixels (H, W, N) uint8.
    """
    with progress_bar(len(photos)) as bar:
        for photo in photos:
            try:
                pixels = read_picture(photo.path, photo.rule).pixels
            except (ValueError, OSError) as error:
                failed[photo.path] = str(error)
            else:
                yield photo, pixels
            bar.update()


def say_left_out(failed: Mapping[str, str], count: int) -> int:
    """Name the pictures that couldn't be read; gives the exit code of a tool.

    Args:
        failed: path → message.
        count: how many there were in all.

    Returns:
        1 if there are any, else 0.
    """
    if failed:
        text = f'{len(failed)} of {count} pictures were left out:'
        print_log(text, level=logging.ERROR)
    for message in failed.values():
        print_log(message, level=logging.ERROR)
    return int(bool(failed))
