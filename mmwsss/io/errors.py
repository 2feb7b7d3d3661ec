# Licensed under Apache-2.0.
"""The base of errors that are the user's to mend."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any


class UserError(ValueError):
    """What a user gave can't be used; the message names it and the fix.

    The tools end with the message alone, without a traceback.
    """


class SeveralErrors(UserError):
    """Several things are wrong.

    Args:
        errors: at least two, in the order in which they are told.
    """

    def __init__(self, errors: Sequence[UserError]) -> None:
        self.errors = list(errors)
        told = ''.join(f'\n  {i}. {error}' for i, error in enumerate(errors, 1))
        super().__init__(f'{len(self.errors)} things are to be mended:{told}')

    def __reduce__(self) -> tuple:
        """Survive the way back from a worker process."""
        return type(self), (self.errors,)


def first_lines(text: str, count: int = 4) -> str:
    """The first lines of a message, and how many were left out.

    Args:
        text: e.g. torch's list of all tensors that differ in size.
        count: of the lines that are kept.
    """
    lines = text.splitlines()
    more = len(lines) - count
    return '\n'.join(lines[:count]) + (f'\n    ... and {more} more' * (more > 0))


def check_choice(
    name: str, value: Any, known: Collection[Any], error: type[UserError] = UserError
) -> None:
    """Refuse a setting that isn't one of those that are known.

    Args:
        name: of the setting, as a user writes it.
        value: what was given.
        known: what it may be.
        error: the class to raise, where a caller has one of its own.

    Raises:
        UserError: naming the setting, what it may be and the value.
    """
    if value not in tuple(known):
        raise error(f'{name} must be one of {tuple(known)}, got {value!r}')
