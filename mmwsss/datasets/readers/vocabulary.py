# Licensed under Apache-2.0.
from __future__ import annotations

from dataclasses import dataclass

from mmwsss.datasets.image_names import composed


def name_key(name: str) -> str:
    """How names are compared: composed, without case and outer ``_``, a blank as ``_``.

    Example:
        >>> name_key('Traffic Light'), name_key('_background_')
        ('traffic_light', 'background')
    """
    return composed(name).replace(' ', '_').casefold().strip('_')


@dataclass(frozen=True)
class Vocabulary:
    """Labels that a data set knows; empty where nobody knows.

    Attributes:
        classes: foreground classes, in their order.
        others: other spellings of them, and what means "no object".
    """

    classes: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()

    def __contains__(self, label: object) -> bool:
        return label in self.classes or label in self.others
