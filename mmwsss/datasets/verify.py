# Licensed under Apache-2.0.
"""Checks of the files of a data set, a few at start or all on demand."""

from __future__ import annotations

from collections.abc import Sequence

from mmwsss.datasets.transforms.load_mask import LoadMask
from mmwsss.datasets.transforms.load_rgb_image import LoadRGBImage
from mmwsss.datasets.transforms.load_side_inputs import LoadSideInputs
from mmwsss.io.data_errors import DataError


def verify_item(info: dict, ignore_index: int = 255) -> None:
    """Read an image and what the data set gives of mask and side inputs.

    Args:
        info: one dict of the data set's list.
        ignore_index: the id of pixels that do not count.

    Raises:
        DataError: naming the file that is unreadable or does not fit.
    """
    results = LoadRGBImage().transform({**info, 'seg_fields': []})
    if 'seg_map_path' in info:
        LoadMask(ignore_index).transform(results)
    if info.get('side_inputs'):
        LoadSideInputs().transform(results)


def verify_items(infos: Sequence[dict], ignore_index: int = 255) -> list[str]:
    """Messages about all items that cannot be read or do not fit."""
    problems = []
    for info in infos:
        try:
            verify_item(info, ignore_index)
        except DataError as err:
            problems.append(str(err))
    return problems
