# Licensed under Apache-2.0.
"""Whether partial labels and what learns from them are there together."""

from __future__ import annotations

from typing import Any

from torch import nn

from mmwsss.io.errors import UserError
from mmwsss.structures import PARTIAL

from .data_report import data_of, data_sets_in

_HOW = (
    "side_inputs=dict(partial=dict(dir='FOLDER', kind='ids')), and "
    "dict(type='LoadSideInputs') in its pipeline after the picture"
)


def check_partial(runner: Any, model: nn.Module) -> list[str]:
    """Hold the loss term ``partial`` against the training data.

    Args:
        runner: with the training data.
        model: the network.

    Returns:
        A warning where partial labels are declared that nothing reads.

    Raises:
        UserError: if the term has a weight, and a data set has no partial labels.
    """
    parts = list(data_sets_in(data_of(runner._train_loop)))
    learns = learns_from_partial(model)
    found = []
    for part in parts:
        declared = PARTIAL in {side.name for side in getattr(part, 'side_inputs', ())}
        read = PARTIAL in getattr(part, 'loaded', ())
        if learns:
            _refuse(part, declared, read)
        elif declared and not (read and makes_labels(model)):
            found.append(_unused(part, read))
    return found


def learns_from_partial(model: nn.Module) -> bool:
    """Whether the loss term has a weight at any iteration."""
    for module in model.modules():  # the outermost: a wrapper has terms of its own
        schedule = getattr(getattr(module, 'terms', None), 'schedule', None)
        if schedule is not None:
            weight = getattr(schedule, 'weights', {}).get(PARTIAL)
            return weight is not None and any(weight.values)
    return False


def makes_labels(model: nn.Module) -> bool:
    """Whether a training makes pseudo labels, which keep what is known."""
    terms = getattr(getattr(model, 'terms', None), 'names', ())
    return getattr(model, 'labeler', None) is not None and bool(
        {'seg', 'reg', 'aff'} & set(terms)
    )


def _refuse(part: Any, declared: bool, read: bool) -> None:
    """Refuse a data set without partial labels."""
    where = f'the training data set ({part.ann_file})'
    if not (declared and read):
        lack = 'reads' if declared else 'declares'
        raise UserError(
            'train_cfg.weights.partial: the loss learns from the side input '
            f"'partial', which {where} never {lack}: add {_HOW}; or leave the weight "
            'out'
        )
    known = getattr(part, 'partial', None)
    if known is not None and not known.found:
        raise UserError(
            'train_cfg.weights.partial: the loss learns from the side input '
            f"'partial', and none of the {known.pictures} pictures of {where} has a "
            f'file in {known.folder}, which holds {known.stored}: name each as its '
            'picture, with .png'
        )


def _unused(part: Any, read: bool) -> str:
    lacks = (
        'no pseudo label is made and no loss learns from it: give '
        'model.train_cfg.weights.partial a weight'
        if read
        else "the pipeline does not read it: add dict(type='LoadSideInputs')"
    )
    return (
        f'side_inputs.partial of {part.ann_file} is declared, but {lacks}; or take the '
        'declaration out.'
    )
