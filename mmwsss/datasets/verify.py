# Licensed under Apache-2.0.
"""Checks of the files of a data set, a few at start or all on demand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmwsss.datasets.transforms.load_fused_maps import LoadFusedMaps
from mmwsss.datasets.transforms.load_mask import LoadMask
from mmwsss.datasets.transforms.load_rgb_image import LoadRGBImage
from mmwsss.datasets.transforms.load_saliency import LoadSaliency
from mmwsss.io.data_errors import DataError


def verify_item(info: dict, ignore_index: int = 255) -> None:
    """Read an image and what the data set gives of mask, saliency and fused maps.

    Args:
        info: one dict of the data set's list.
        ignore_index: the id of pixels that do not count.

    Raises:
        DataError: naming the file that is unreadable or does not fit.
    """
    results = LoadRGBImage().transform({**info, 'seg_fields': []})
    if 'seg_map_path' in info:
        LoadMask(ignore_index).transform(results)
    if 'fused_path' in info:
        LoadFusedMaps().transform(results)
    if 'sal_path' in info:
        LoadSaliency().transform(results)


def spread(items: Sequence, count: int) -> list:
    """``count`` items at even distances, the first and last among them."""
    if count >= len(items):
        return list(items)
    return [items[int(i)] for i in np.linspace(0, len(items) - 1, count)]


def verify_items(infos: Sequence[dict], ignore_index: int = 255) -> list[str]:
    """Messages about all items that cannot be read or do not fit."""
    problems = []
    for info in infos:
        try:
            verify_item(info, ignore_index)
        except DataError as err:
            problems.append(str(err))
    return problems
