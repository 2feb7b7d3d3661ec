# Licensed under Apache-2.0.
"""Names of images: where they may lead, and which are one photo."""

from __future__ import annotations

import filecmp
import os
import re
import unicodedata
from collections.abc import Container, Iterator, Mapping, Sequence

import numpy as np
from PIL import Image

from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import image_stem
from mmwsss.io.wording import of_data_set, setting

_SURROGATE = re.compile('[\ud800-\udfff]')
_UNSEEN = re.compile('[\u200b\u2060\ufeff]')
_ROOTED = re.compile(r'/|[A-Za-z]:/|\w+://')
#: pairs of files with equal names and sizes whose contents are compared at the start
MAX_COMPARED = 32
#: pairs that a message names
TOLD = 5


def composed(text: str) -> str:
    """Letters with marks as one sign each (NFC), however they were written."""
    return text if text.isascii() else unicodedata.normalize('NFC', text)


def label_name(text: str) -> str:
    """A label as it is compared and kept: composed, its blanks plain and single.

    Blanks that don't break and signs without width come from web pages and office
    programs; nobody sees them.

    Example:
        >>> label_name('red\u00a0 fox\u200b')
        'red fox'
    """
    if text.isascii() and '  ' not in text:
        return text.strip()
    return ' '.join(_UNSEEN.sub('', composed(text)).split())


def clean_name(name: str, path: str, folder: str | None = None) -> str:
    """The name of an image as its path below the image folder.

    Decomposed letters (macOS) are composed, backslashes become slashes, absolute paths
    below the folder relative.

    Args:
        name: as it was written.
        path: of the label file, for the error.
        folder: the image folder; ``None``: unknown, absolute names are kept.

    Raises:
        LabelError: if it is empty, leads out of the folder, or is written in bytes that
            are no UTF-8.
    """
    name = composed(name)
    if not name.isascii() and _SURROGATE.search(name):
        shown = name.encode('utf-8', 'surrogateescape')
        raise LabelError(
            path,
            f'names the image {shown!r}, whose letters are not in UTF-8',
            'rename it; a whole folder: convmv -r -f latin1 -t utf8 --notest FOLDER',
        )
    if '\\' in name:
        name = name.replace('\\', '/')
    if folder is not None and _ROOTED.match(name):
        name = _below(name, path, folder)
    if './' in name or '//' in name or '..' in name:
        parts = name.split('/')
        if '..' in parts:
            raise LabelError(
                path,
                f"names the image {name!r}, whose '..' leads out of the image folder",
                'give names below it, and the folder as '
                + setting('data_prefix.img_path'),
            )
        root = '/' if name.startswith('/') else ''
        if '://' not in name:
            name = root + '/'.join(part for part in parts if part not in ('', '.'))
    if not name.strip():
        raise LabelError(path, 'has a line without an image name', 'correct it')
    return name


def _below(name: str, path: str, folder: str) -> str:
    """An absolute name relative to the image folder."""
    roots = (folder, os.path.abspath(folder), os.path.realpath(folder))
    for root in dict.fromkeys(roots):
        start = root.rstrip('/') + '/'
        if root and name.startswith(start):
            return name[len(start) :]
    fix = 'give names below it, or the folder that holds them all as ' + of_data_set(
        'data_prefix.img_path'
    )
    if not name.startswith('/') or name.startswith('//'):  # of another machine
        begin = name.rpartition('/')[0] + '/'
        fix = f'write names below it: take {begin!r}, or a part of it, off each'
    raise LabelError(
        path,
        f'names the image {name!r}, which does not lie below the image folder '
        f'{folder!r}',
        fix,
    )


def refuse_shared_stems(
    labels: Mapping[str, Sequence[str]], path: str
) -> frozenset[str]:
    """Names that say again what another says of one photo: ``a`` beside ``a.jpg``.

    Args:
        labels: class names by image.
        path: of the label file.

    Returns:
        The names that can go: those without suffix.

    Raises:
        LabelError: if their labels differ, or two pictures (``a.jpg``, ``a.png``)
            would share one output.
    """
    by_stem: dict[str, str] = {}
    again = set()
    for name in labels:
        stem = image_stem(name)
        other = by_stem.setdefault(stem, name)
        if other == name:
            continue
        pair = f'{other!r} {list(labels[other])} and {name!r} {list(labels[name])}'
        if stem not in (name, other):
            raise LabelError(
                path,
                f'names two pictures that would share one output, {pair}',
                'rename one of them, or take it out',
            )
        if set(labels[name]) != set(labels[other]):
            raise LabelError(
                path,
                f'gives one photo under two names different labels, {pair}',
                'keep one line with all classes of the image',
            )
        again.add(stem)
        by_stem[stem] = other if name == stem else name
    return frozenset(again)


def refuse_photo_in_two_folders(
    folder: str, labels: Mapping[str, Sequence[str]], nothing: Container[str] = ()
) -> None:
    """Refuse photos in two class folders.

    Looked at are files of one name and one size; of the first of them also the
    contents, since numbered pictures of a format without compression agree in both.
    Blank pictures are equal without being one photo.

    Args:
        folder: that holds the class folders.
        labels: class names by image.
        nothing: labels that mean "no object": no picture has one and a class.

    Raises:
        LabelError: naming both files of the first few.
    """
    twice = [
        (one, other)
        for one, other in _same_name_and_size(folder, labels)
        if _one_photo(os.path.join(folder, one), os.path.join(folder, other))
    ]
    if not twice:
        return
    told = '; '.join(f'{one} and {other}' for one, other in twice[:TOLD])
    names = (*labels[twice[0][0]], *labels[twice[0][1]])
    fix = 'keep each in the folder that is right'
    if not any(name in nothing for name in names):
        fix += f'; if it shows both, in {"+".join(names)!r}'
    raise LabelError(
        folder,
        f'holds one photo in two class folders, {told}'
        + (f' and {len(twice) - TOLD} more' if len(twice) > TOLD else ''),
        fix,
    )


def _same_name_and_size(
    folder: str, labels: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str]]:
    """The first pairs of files of different labels that may be one photo."""
    by_name: dict[str, list[str]] = {}
    for name in labels:
        by_name.setdefault(os.path.basename(name), []).append(name)
    compared = 0
    for names in by_name.values():
        by_size: dict[int, str] = {}
        for name in names if len(names) > 1 else ():
            size = os.stat(os.path.join(folder, name)).st_size
            other = by_size.setdefault(size, name)
            if set(labels[other]) != set(labels[name]) and compared < MAX_COMPARED:
                compared += 1
                yield other, name


def _one_photo(one: str, other: str) -> bool:
    return filecmp.cmp(one, other, shallow=False) and not _is_blank(one)


def _is_blank(path: str) -> bool:
    """Whether a picture has one colour."""
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert('RGB'))
            return bool((pixels == pixels[:1, :1]).all())
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
