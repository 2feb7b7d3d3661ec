# Licensed under Apache-2.0.
"""Fused CAMs that go with the images: found and checked before training."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from .errors import ScoreError, UnreadableImageError
from .files import FileFinder
from .utils.score_io import stored_size

SUFFIXES = ('.npz', '.npy')


def find_fused_maps(infos: Sequence[dict], folder: str, listed: bool = True) -> None:
    """Give each labelled image its ``fused_path``.

    Args:
        infos: dicts of a data set's list; changed in place.
        folder: holds ``<img_id>.npz``, see :mod:`.utils.score_io`.
        listed: look at the disk at all.

    Raises:
        ScoreError: naming the first file that is missing, or made of an image of
            another size.
    """
    files = FileFinder(folder, listed)
    labelled = [info for info in infos if info['gt_labels']]
    for info in labelled:
        info['fused_path'] = files.find(info['img_id'], SUFFIXES)
    if files.missing:
        raise ScoreError(
            files.missing[0], f'is missing, with {len(files.missing) - 1} other fused '
            f'maps of {len(labelled)}', 'check fused_dir; it is the folder DIR/fused '
            'of tools/generate_pseudo_labels.py --out DIR --save fused, of this split')
    if listed:
        for info in labelled:
            check_size(info['fused_path'], info['img_path'])


def check_size(path: str, img_path: str) -> None:
    """Compare the image of which maps were made with an image; headers are read only.

    Raises:
        ScoreError: if they differ in size.
        UnreadableImageError: if the image can't be read.
    """
    try:
        with Image.open(img_path) as picture:
            size = picture.size[::-1]
    except (OSError, SyntaxError, ValueError) as err:
        raise UnreadableImageError(img_path, err) from err
    made_of = stored_size(path)
    if made_of != size:
        raise ScoreError(
            path, f'was made of an image of {made_of}, its image {img_path} has {size} '
            '(height, width)', 'generate the fused maps of these very images')
