# Licensed under Apache-2.0.
"""Names and places of image files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .data_errors import DataError
from .pictures.picture_rule import PictureRule
from .pictures.reader import size_of


def image_stem(name: str) -> str:
    """The name without an image suffix."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in IMAGE_SUFFIXES else name


def output_stem(info: Mapping[str, Any]) -> str:
    """What outputs of an image are called, without suffix: its id, or its file's name.

    Args:
        info: of a data set's list, or of a sample: ``img_id`` or ``img_path``.
    """
    return info.get('img_id') or Path(info['img_path']).stem


def picture_size(path: str, rule: PictureRule | None = None) -> tuple[int, int]:
    """(H, W) of a picture as its data set's rule turns it, from its header alone.

    Raises:
        UnreadableImageError: if it can't be read.
    """
    return size_of(path, rule)


class FileFinder:
    """Finds files by listing folders once, not by asking for each file.

    Args:
        root: folder that the names are relative to.
        listed: look at the disk at all.
    """

    def __init__(self, root: str, listed: bool) -> None:
        self.root, self.listed = root, listed
        self.missing: list[str] = []
        self._names: dict[str, set[str]] = {}

    def find(self, name: str, suffixes: str | Sequence[str]) -> str:
        """Path of the file; a path that is absent is noted in ``missing``."""
        path = os.path.join(self.root, name)
        has_suffix = image_stem(name) != name
        suffixes = ('',) if has_suffix else suffixes
        if isinstance(suffixes, str):
            suffixes = (suffixes,)
        if not self.listed:
            return path + suffixes[0]
        folder = os.path.dirname(path)
        if folder not in self._names:
            exists = Path(folder or '.').is_dir()
            self._names[folder] = set(os.listdir(folder or '.')) if exists else set()
        for suffix in suffixes:
            if os.path.basename(path) + suffix in self._names[folder]:
                return path + suffix
        self.missing.append(path + suffixes[0])
        return self.missing[-1]

    def refuse_missing(
        self, error: type[DataError], kind: str, count: int, fix: str
    ) -> None:
        """Raise ``error``, naming the first absent file, if there is one.

        Args:
            error: class of the error.
            kind: of what the files are, in the plural.
            count: how many were looked for.
            fix: what to do.
        """
        if self.missing:
            others = len(self.missing) - 1
            raise error(
                self.missing[0],
                f'is missing, with {others} other {kind} of {count}',
                fix,
            )


IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
