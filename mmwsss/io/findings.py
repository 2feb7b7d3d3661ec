# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import SeveralErrors, UserError


class Findings:
    """What several checks refuse, told at once instead of one after the other."""

    def __init__(self) -> None:
        self.errors: list[UserError] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note what is refused within it, and go on behind it."""
        try:
            yield
        except SeveralErrors as error:
            self.errors += error.errors
        except UserError as error:
            self.errors.append(error)

    def refuse(self) -> None:
        """Raise what was noted.

        Raises:
            UserError: the one that was noted, or :class:`SeveralErrors`.
        """
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise SeveralErrors(self.errors)
