# Licensed under Apache-2.0.
"""Errors of the data, each naming the file and what to do about it."""

from __future__ import annotations

from pathlib import Path

from .errors import UserError


class DataError(UserError):
    """Something is wrong with one file of a data set.

    Args:
        path: the file.
        problem: what is wrong with it, continuing "<file> ...".
        fix: what to do.
    """

    def __init__(self, path: str | Path, problem: str, fix: str) -> None:
        self.path, self.problem, self.fix = str(path), problem, fix
        super().__init__(f'{path} {problem}. Fix: {fix}.')

    def __reduce__(self) -> tuple:
        """Survive the way back from a worker process."""
        return type(self), (self.path, self.problem, self.fix)


class LabelError(DataError):
    """An image label is missing, unknown or unreadable."""


class MaskError(DataError):
    """A mask is missing, unreadable or does not fit its image or classes."""


class SideInputError(DataError):
    """A dense side input is missing, undeclared, unreadable or does not fit."""


class UnreadableImageError(DataError):
    """An image is missing or is not a whole image file."""

    def __init__(self, path: str | Path, cause: object, fix: str | None = None) -> None:
        super().__init__(
            path,
            f'cannot be read as an image ({cause})',
            fix or 'download it again, or take its line out of the list of images',
        )
        self.cause = str(cause)

    def __reduce__(self) -> tuple:
        """Survive the way back from a worker process."""
        return type(self), (self.path, self.cause, self.fix)


class PictureError(DataError):
    """A picture isn't 8-bit RGB, and its data set doesn't say how to read it.

    It is no :class:`UnreadableImageError`: nothing takes its place.
    """


class ScoreError(DataError):
    """A file of score maps is missing, unreadable or does not fit its image."""
