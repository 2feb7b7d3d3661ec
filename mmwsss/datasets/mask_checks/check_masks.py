# Licensed under Apache-2.0.
"""A bounded number of a data set's masks, looked at when it is opened."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log

from mmwsss.datasets.side_inputs.declaration import spread
from mmwsss.io.data_errors import MaskError, UnreadableImageError
from mmwsss.io.image_files import picture_size
from mmwsss.io.palette import class_palette

from .mask_facts import MaskFacts, look_at
from .mask_findings import mask_findings

#: masks that are looked at, if they are small; and how many pixels all of them have
MASKS, PIXELS, FEWEST = 200, 128 * 2**20, 8


def some_masks(infos: Sequence[Mapping[str, Any]]) -> list[MaskFacts]:
    """What is known of a bounded number of masks, spread over the list.

    Args:
        infos: dicts as those of a data set's list, see :func:`.look_at`.

    Raises:
        MaskError: if a mask can't be read, or hasn't the size of its photo.
    """
    return [look_at(info) for info in spread(infos, how_many(infos))]


def check_masks(
    masks: Sequence[MaskFacts],
    metainfo: Mapping[str, Any],
    refuse: bool = True,
    pseudo: bool = False,
) -> None:
    """Hold masks against image labels and classes; tell or refuse what is found.

    Args:
        masks: of :func:`some_masks`.
        metainfo: of the data set: ``classes``, background first, and ``palette``.
        refuse: else everything that a test doesn't stop at is only told.
        pseudo: the masks are guesses of a network, which may hold none of a class.

    Raises:
        MaskError: if a mask holds no ids of the classes, or too many contradict what
            the data set says.
    """
    classes = metainfo['classes']
    for finding in mask_findings(masks, classes, own_palette(metainfo), pseudo):
        if finding.refused and (refuse or finding.limit == 0):
            raise MaskError(finding.example, finding.problem, finding.fix)
        print_log(f'masks: {finding}', 'current', logging.WARNING)


def own_palette(metainfo: Mapping[str, Any]) -> Sequence[Sequence[int]] | None:
    """Colours that a data set was given; ``None`` for those that it made itself."""
    palette = [list(colour) for colour in metainfo.get('palette') or ()]
    return None if palette == class_palette(len(palette)) else palette


def how_many(infos: Sequence[Mapping[str, Any]]) -> int:
    """How many masks are looked at: fewer where they are large."""
    if not infos:
        return 0
    try:
        height, width = picture_size(infos[0]['seg_map_path'])
    except UnreadableImageError:  # told when it is looked at
        return MASKS
    return min(MASKS, max(FEWEST, PIXELS // (height * width)))
