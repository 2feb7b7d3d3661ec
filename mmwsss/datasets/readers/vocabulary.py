# Licensed under Apache-2.0.
from __future__ import annotations

from dataclasses import dataclass


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
