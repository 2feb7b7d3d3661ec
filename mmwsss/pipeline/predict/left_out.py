# Licensed under Apache-2.0.
"""Pictures that can't be predicted don't stop the others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from mmwsss.io.errors import UserError

from .given_picture import GivenPicture


@contextlib.contextmanager
def noted(
    pictures: Sequence[GivenPicture], failed: dict[str, str] | None
) -> Iterator[None]:
    """Note pictures that can't be predicted, and go on.

    Args:
        pictures: those that are at work.
        failed: gets source → message; ``None``: the error is raised.
    """
    try:
        yield
    except (UserError, OSError) as error:
        if failed is None:
            raise
        failed |= {one.path or one.name: str(error) for one in pictures}
