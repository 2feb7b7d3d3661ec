# Licensed under Apache-2.0.
"""Changes of colours are refused where pictures have bands, not colours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mmwsss.io.errors import UserError
from mmwsss.io.pictures.picture_rule import PictureRule

from .multi_view import MultiView


def refuse_bands(name: str, count: int, instead: str) -> None:
    """Refuse a change of colours on pictures that aren't RGB.

    Args:
        name: of the transform or setting, as a config has it.
        count: bands of the picture.
        instead: what to do.

    Raises:
        UserError: if the count isn't 3.
    """
    if count != 3:
        raise UserError(
            f'{name} changes colours, which a picture of {count} bands has not: '
            f'{instead}'
        )


def check_bands(steps: Iterable[Any], rule: PictureRule) -> None:
    """Refuse a pipeline that changes colours of pictures without colours.

    Args:
        steps: the transforms, built; those with a method ``refuse_bands(count)`` say
            what they can't do.
        rule: whose ``bands`` says how many the pictures have.

    Raises:
        UserError: naming the transform.
    """
    if rule.bands is None:
        return
    for step in steps:
        inner = getattr(step, 'transforms', step)  # of RandomApply and the like
        if isinstance(step, MultiView):
            inner = [part for _, part in (*step.shared.values(), *step.views.values())]
        if isinstance(inner, (list, tuple)):
            check_bands(inner, rule)
        elif inner is not step:
            check_bands([inner], rule)
        elif hasattr(step, 'refuse_bands'):
            step.refuse_bands(len(rule.bands))
