# Licensed under Apache-2.0.
from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from mmengine.logging import print_log


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


def say_lines(lines: Iterable[CheckLine], report: object = '') -> int:
    """Log lines, what is refused first, and how many there are of each.

    Args:
        lines: all that was found.
        report: the file where it stands, if there is one.

    Returns:
        How many are refused.
    """
    lines = sorted(lines, key=lambda line: not line.refused)
    for line in lines:
        level = logging.ERROR if line.refused else logging.WARNING
        print_log(str(line), level=level)
    refused = sum(line.refused for line in lines)
    where = f': {report}' if report else ''
    print_log(f'{refused} refused, {len(lines) - refused} warnings{where}')
    return refused
