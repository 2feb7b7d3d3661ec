# Licensed under Apache-2.0.
from __future__ import annotations

from typing import NamedTuple


class CheckLine(NamedTuple):
    """One thing that was found.

    Attributes:
        refused: the data can't be used, or not be trusted, as they are.
        text: what it is, with the fix.
    """

    refused: bool
    text: str

    def __str__(self) -> str:
        return f'{"refused" if self.refused else "warning"}: {self.text}'
