# Licensed under Apache-2.0.
"""Saliency maps that go with the images: found and checked before training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmwsss.datasets.transforms.load_saliency import (
    check_size,
    decode_saliency,
    saliency_size,
)
from mmwsss.io.data_errors import SaliencyError
from mmwsss.io.image_files import FileFinder, picture_size

from .verify import spread

SAMPLES = 8


def find_saliency_maps(
    infos: Sequence[dict],
    folder: str,
    suffixes: str | Sequence[str],
    listed: bool = True,
) -> None:
    """Give each image its ``sal_path``; of all pictures the headers are read.

    Args:
        infos: dicts of a data set's list; changed in place.
        folder: holds ``<img_id><suffix>``.
        suffixes: tried in order.
        listed: look at the disk at all.

    Raises:
        SaliencyError: naming the first file that is missing, unreadable, or of another
            size than its image; or if maps go up to 1 instead of 255.
        UnreadableImageError: if an image can't be read.
    """
    files = FileFinder(folder, listed)
    for info in infos:
        info['sal_path'] = files.find(info['img_id'], suffixes)
    files.refuse_missing(
        SaliencyError,
        'saliency maps',
        len(infos),
        'check sal_dir, or make a map of every image of the list',
    )
    if listed:
        for info in infos:
            check_size(
                info['sal_path'],
                saliency_size(info['sal_path']),
                info['img_path'],
                picture_size(info['img_path']),
            )
        _check_range([info['sal_path'] for info in spread(infos, SAMPLES)])


def _check_range(paths: Sequence[str]) -> None:
    """Maps of 0 and 1 would pass for pictures in which nothing is salient."""
    highest = [
        (decode_saliency(Path(path).read_bytes(), path).max(), path) for path in paths
    ]
    top, path = max(highest, default=(0, ''))
    if top == 1:
        raise SaliencyError(
            path,
            'holds no value above 1, as the other maps looked at',
            'write salient pixels as 255, not as 1',
        )
