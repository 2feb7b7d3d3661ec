# Licensed under Apache-2.0.
"""Fused CAMs that go with the images: found and checked before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmwsss.datasets.transforms.load_fused_maps import check_classes
from mmwsss.io.data_errors import ScoreError
from mmwsss.io.image_files import FileFinder, picture_size
from mmwsss.io.score_files import stored_header

SUFFIXES = ('.npz', '.npy')


def find_fused_maps(infos: Sequence[dict], folder: str, listed: bool = True) -> None:
    """Give each labelled image its ``fused_path``.

    Args:
        infos: dicts of a data set's list; changed in place.
        folder: holds ``<img_id>.npz``, see :mod:`.utils.score_io`.
        listed: look at the disk at all.

    Raises:
        ScoreError: naming the first file that is missing, made of an image of another
            size, or without a class that its image holds.
    """
    files = FileFinder(folder, listed)
    labelled = [info for info in infos if info['gt_labels']]
    for info in labelled:
        info['fused_path'] = files.find(info['img_id'], SUFFIXES)
    files.refuse_missing(
        ScoreError,
        'fused maps',
        len(labelled),
        'check fused_dir; it is the folder DIR/fused of '
        'tools/generate_pseudo_labels.py --out DIR --save fused, of this split',
    )
    if listed:
        for info in labelled:
            check_maps(info)


def check_maps(info: Mapping[str, Any]) -> None:
    """Compare the maps of an image with it and its labels; headers are read only.

    Args:
        info: with ``fused_path``, ``img_path`` and ``gt_labels``.

    Raises:
        ScoreError: if they are of another size, or lack a class of the image.
        UnreadableImageError: if the image can't be read.
    """
    path, size = info['fused_path'], picture_size(info['img_path'])
    made_of, ids = stored_header(path)
    if made_of != size:
        raise ScoreError(
            path,
            f'was made of an image of {made_of}, its image {info["img_path"]} '
            f'has {size} (height, width)',
            'generate the fused maps of these very images',
        )
    check_classes(path, ids, info['gt_labels'])
