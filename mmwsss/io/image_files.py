# Licensed under Apache-2.0.
"""Names and places of image files."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from .data_errors import DataError
from .litter import is_litter
from .pictures.picture_rule import PictureRule
from .pictures.reader import size_of


def image_stem(name: str) -> str:
    """The name without an image suffix."""
    dot = name.rfind('.')  # os.path.splitext takes four times as long
    if dot < 1 or name[dot - 1] == '/' or name[dot:].lower() not in _SUFFIX_SET:
        return name
    return name[:dot]


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
        self.ambiguous: list[tuple[str, str]] = []
        self._start = os.path.join(root, '')  # with its slash
        self._names: dict[str, tuple[str, dict[str, str]]] = {}

    def find(self, name: str, suffixes: str | Sequence[str]) -> str:
        """Path of the file; a path that is absent is noted in ``missing``."""
        found = self.there(name, suffixes)
        if found is None:
            path, tried = self._wanted(name, suffixes)
            found = path + tried[0]
            self.missing.append(found)
        return found

    def there(self, name: str, suffixes: str | Sequence[str]) -> str | None:
        """Path of the file; ``None`` if it is absent, which isn't noted.

        Of a name that fits two files the first suffix counts; both are noted in
        ``ambiguous``. A name in composed letters finds a file in decomposed ones, as
        macOS writes them.

        Args:
            name: below the root, or absolute; with an image suffix or without.
            suffixes: tried in order, where the name has none; '': the bare name.
        """
        path, tried = self._wanted(name, suffixes)
        if not self.listed:
            return path + tried[0]
        folder, slash, base = path.rpartition('/')
        folder += slash
        if folder not in self._names:
            self._names[folder] = _listed(folder)
        there, names = self._names[folder]
        found = [names[base + suffix] for suffix in tried if base + suffix in names]
        if len(found) > 1:
            self.ambiguous.append((found[0], found[1]))
        return there + found[0] if found else None

    def _wanted(
        self, name: str, suffixes: str | Sequence[str]
    ) -> tuple[str, Sequence[str]]:
        """Path without suffix, and the suffixes that it may have."""
        path = name if name.startswith('/') else self._start + name
        if len(image_stem(name)) < len(name):
            return path, ('',)
        return path, (suffixes,) if isinstance(suffixes, str) else suffixes

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
            share = share_missing(len(self.missing), count, kind)
            raise error(self.missing[0], f'is not there: {share}', fix)


def share_missing(missing: int, count: int, kind: str) -> str:
    """How many are missing, as a sentence.

    Args:
        missing: 1 or more.
        count: how many were looked for.
        kind: what they are, in the plural.

    Example:
        >>> share_missing(1, 40, 'images'), share_missing(40, 40, 'images')
        ('1 of 40 images is missing', '40 of 40 images are missing')
    """
    return f'{missing} of {count} {kind} {"is" if missing == 1 else "are"} missing'


def like_it(path: str) -> str:
    """A file that is there and may be meant by one that isn't; '' if there is none.

    It differs in capitals, in its suffix, in zeros before it, or in a folder too many.
    """
    folder, base = os.path.split(path)
    if os.path.isdir(folder):
        wanted, stem = base.casefold(), image_stem(base).casefold()
        names = [name for name in sorted(os.listdir(folder)) if not is_litter(name)]
        for name in (*names, *map(image_stem, names)):
            if name.casefold() == wanted:
                return os.path.join(folder, name)
        for name in names:
            own = image_stem(name).casefold()
            # spreadsheets take zeros off numbers
            alike = own == stem or own.lstrip('0') == stem.lstrip('0') != ''
            if alike and own != name.casefold():
                return os.path.join(folder, name)
    parts = Path(path).parts
    for i in range(len(parts) - 2, max(0, len(parts) - 6), -1):
        shorter = os.path.join(*parts[:i], *parts[i + 1 :])
        if os.path.isfile(shorter):
            return shorter
    return ''


def _listed(folder: str) -> tuple[str, dict[str, str]]:
    """A folder and the names in it, by themselves and by their composed letters."""
    for place in (folder or '.', unicodedata.normalize('NFD', folder)):
        if os.path.isdir(place):
            names = os.listdir(place)
            composed = {
                unicodedata.normalize('NFC', name): name
                for name in names
                if not name.isascii()
            }
            return place if folder else '', composed | dict(zip(names, names))
    return folder, {}


def images_below(folder: str | os.PathLike) -> list[Path]:
    """All image files below a folder, in order, without what systems left there."""
    root = Path(folder)
    found = (path for path in sorted(root.rglob('*')) if path.is_file())
    return [
        path
        for path in found
        if path.suffix.lower() in _SUFFIX_SET
        and not any(map(is_litter, path.relative_to(root).parts))
    ]


IMAGE_SUFFIXES = (
    *('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff'),
    *('.gif', '.jfif', '.jp2', '.avif', '.pgm', '.ppm'),
)
#: of pictures that Pillow alone doesn't read
UNREAD_SUFFIXES = (
    *('.heic', '.heif', '.jxl', '.dng', '.cr2', '.nef', '.arw', '.svg', '.dcm', '.svs'),
)
_SUFFIX_SET = frozenset(IMAGE_SUFFIXES)


def photos_in(path: str | os.PathLike, way: str = 'give each by itself') -> list[Path]:
    """The photo itself, or the photos of a folder, without those in folders below.

    Args:
        path: of either.
        way: what is said of the folders below: how to get their photos.

    Raises:
        FileNotFoundError: if there is none.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    inside = sorted(p for p in path.glob('*') if not is_litter(p.name))
    found = [p for p in inside if p.suffix.lower() in _SUFFIX_SET and p.is_file()]
    below = [p.name for p in inside if p.is_dir()]
    if found and below:
        print_log(f'folders in {path} are left out: {", ".join(below)}; {way}')
    if not found:
        raise FileNotFoundError(
            f'{path} is neither a photo nor a folder with photos {IMAGE_SUFFIXES}'
            + (f'; it holds the folders {below}: give one of them' if below else '')
        )
    return found
