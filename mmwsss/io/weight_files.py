# Licensed under Apache-2.0.
"""Weights that lie on this machine already, and whether they are what they say."""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path

from mmengine.logging import print_log

from .errors import UserError
from .file_beginnings import beginning, is_lfs_pointer, is_web_page
from .pictures.broken import first_bytes

WEIGHTS_ENV = 'MMWSSS_WEIGHTS'
_HASH = re.compile(r'-([0-9a-f]{8,64})(?=\.[a-z]+$)')
#: how torch.hub, OpenMMLab and tools/misc/publish_model.py name files of weights
_PUBLISHED = re.compile(r'-([0-9a-f]{8})\.pth$')
_DATE = re.compile(r'(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])')


def file_hash(path: str | Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def hash_in_name(name: str) -> str | None:
    """The digits before the suffix of ``name-<8 to 64 digits>.pth``, if there are."""
    found = _HASH.search(os.path.basename(name))
    return found.group(1) if found else None


def check_hash(path: str | Path) -> None:
    """Refuse a file whose sha256 isn't the one that its name gives.

    Raises:
        UserError: naming the file and both hashes.
    """
    wanted = hash_in_name(str(path))
    if wanted is None:
        return
    found = file_hash(path)
    if not found.startswith(wanted):
        raise UserError(
            f'{path} has the sha256 {found[: len(wanted)]}…, and its name says '
            f'{wanted}: it is damaged or another file. Delete it and fetch it again.'
        )


def check_own_name(path: str | Path) -> None:
    """Refuse a file ``NAME-<8 hex digits>.pth`` whose sha256 has other digits.

    Other names promise nothing: no such digits, or a day (``run-20240131.pth``). A file
    is read for it once a process.

    Raises:
        UserError: naming the file, both hashes and what to do.
    """
    wanted = _PUBLISHED.search(os.path.basename(path))
    if wanted is None or _DATE.fullmatch(wanted[1]):
        return
    state = os.stat(path)
    found = _known_hash(str(path), state.st_size, state.st_mtime_ns)
    if not found.startswith(wanted[1]):
        raise UserError(
            f'{path} has the sha256 {found[:8]}…, and its name says {wanted[1]}: it is '
            'damaged or another file. Delete it and fetch it again; if you made it '
            'yourself and these digits mean something else, rename it.'
        )


@lru_cache(maxsize=64)
def _known_hash(path: str, size: int, changed: int) -> str:
    return file_hash(path)


def stored_weights(name: str) -> Path | None:
    """A file of that name under ``$MMWSSS_WEIGHTS``, with or without hash in its name.

    Args:
        name: a URL, of which the last part counts, or a file name.

    Returns:
        The file, or ``None`` where the variable isn't set or there is none.

    Raises:
        UserError: if the variable names no folder.
    """
    folder = os.environ.get(WEIGHTS_ENV)
    if not folder:
        return None
    if not os.path.isdir(folder):
        raise UserError(f'{WEIGHTS_ENV}={folder} is no folder: correct or unset it.')
    name = os.path.basename(name.partition('?')[0])
    for wanted in (name, _HASH.sub('', name)):
        for path in sorted(Path(folder).rglob(wanted)):
            if path.is_file():
                return path
    return None


def announce_stored(path: Path, url: str) -> None:
    """Say that a file of this machine takes the place of a URL, and which it is."""
    print_log(
        f'{url}: taken from {path} (${WEIGHTS_ENV}; sha256 {file_hash(path)[:8]}…)',
        'current',
    )


def check_content(path: str) -> None:
    """Refuse a file that begins as no checkpoint does, by its name.

    Raises:
        UserError: saying what it is instead.
    """
    content = first_bytes(path)
    if not content:
        what, fix = 'is empty, 0 bytes', 'fetch or save it again'
    elif is_lfs_pointer(content):
        what, fix = 'is a git-lfs pointer, not the file itself', 'run git lfs pull'
    elif is_web_page(content) or beginning(content).startswith(b'<?xml'):
        what, fix = 'is a web page', 'open it to see why, then fetch the file itself'
    elif path.endswith(('.py', '.json', '.yaml', '.yml')):
        what, fix = 'is no checkpoint by its suffix', 'give the config first, then it'
    else:
        return
    raise UserError(f'{path} {what}: {fix}')
