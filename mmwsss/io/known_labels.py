# Licensed under Apache-2.0.
"""A picture without classes: known to hold none, or not labelled at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .data_errors import LabelError


def labels_known(info: Mapping[str, Any], trained_on: bool = False) -> bool:
    """Whether it is known which classes a picture holds, also where it holds none.

    Args:
        info: of a data set's list: ``gt_labels``, and ``labels_known`` where the data
            set tells a picture without objects from one that nobody has labelled.
        trained_on: whether a training takes pictures without classes of this data set
            (``allow_unlabelled=True`` in it): then they are pictures without objects.
    """
    return bool(info.get('labels_known', bool(info.get('gt_labels')) or trained_on))


def unlabelled(dataset: Any, trained_on: bool = False) -> list[Mapping[str, Any]]:
    """The pictures of a data set of which nobody knows what they hold.

    Args:
        dataset: with ``get_data_info``.
        trained_on: see :func:`labels_known`.
    """
    infos = (dataset.get_data_info(index) for index in range(len(dataset)))
    return [info for info in infos if not labels_known(info, trained_on)]


def refuse_unlabelled(dataset: Any, fix: str, trained_on: bool = False) -> None:
    """Refuse image labels that aren't there to choose classes by.

    Args:
        dataset: whose pictures are meant.
        fix: what to do besides labelling them.
        trained_on: see :func:`labels_known`.

    Raises:
        LabelError: naming the first picture, and how many there are.
    """
    unknown = unlabelled(dataset, trained_on)
    if unknown:
        name = unknown[0].get('img_id') or unknown[0]['img_path']
        raise LabelError(
            getattr(dataset, 'ann_file', '') or type(dataset).__name__,
            f'has no labels for {len(unknown)} of {len(dataset)} images (first: '
            f"{name}), and cam_filter='gt' reads them",
            f'label them, or name those without objects; or {fix}',
        )
