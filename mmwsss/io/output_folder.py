# Licensed under Apache-2.0.
"""Where tools write: never over an input, nor over a file that they haven't made.

A folder is claimed before work starts. What will be written into it is then known, and
is noted in the folder (:data:`MADE`), so that a later run knows what it may replace.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image, PngImagePlugin

from .atomic_file import write_atomic, write_picture
from .errors import UserError

#: in a folder of outputs: the names of the files that our tools have made there
MADE = '.made_by_mmwsss.txt'
#: text of pictures that we draw (PNG, key ``Software``)
SOFTWARE = 'mmwsss'
#: in the head of pages that we write
_GENERATOR = b'<meta name="generator" content="mmwsss">'


class OutputError(UserError):
    """Something would be written where it must not be."""


def claim_outputs(
    folder: str | os.PathLike,
    outputs: Iterable[tuple[str, str]],
    inputs: Collection[str | os.PathLike] = (),
    option: str = '--out',
) -> Path:
    """Make a folder ours to write these files into; nothing else is changed.

    Args:
        folder: of the outputs; made if it isn't there.
        outputs: (name relative to the folder, what it is made of) of each file.
        inputs: files and folders that the run reads.
        option: the tool's option that gives the folder, for messages.

    Returns:
        The folder.

    Raises:
        OutputError: if the folder is or holds an input, a name leads out of it, two
            inputs would share a file, a file is there that no tool of ours has made, or
            nothing can be written there.
    """
    folder = Path(folder)
    refuse_inputs(folder, inputs, option)
    refuse_file(folder, option)
    planned = one_file_each(outputs)
    made = made_in(folder)
    there = _files_of(folder, planned)
    foreign = [name for name in planned if name in there and name not in made]
    if foreign:
        raise OutputError(
            f'{folder / foreign[0]} is there and was not made by this tool, with '
            f'{len(foreign) - 1} others that would be written over: give another '
            f'folder to {option}, or move them away'
        )
    names = sorted(made | set(planned))
    if names == sorted(made):
        return folder
    try:
        write_atomic('\n'.join((*names, '')).encode(), folder / MADE)
    except OSError as err:
        raise OutputError(
            f'{option} {folder} can not be written into ({err.strerror}): give '
            'another one'
        ) from err
    return folder


def refuse_file(folder: str | os.PathLike, option: str = '--out') -> None:
    """Refuse a file where a folder is to be made.

    Raises:
        OutputError: naming the file, be it the folder or one above it.
    """
    path = Path(folder)
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise OutputError(
                f'{option} {folder} can not be made, since {place} is a file: give '
                'another folder'
            )


def refuse_unwritable(folder: str | os.PathLike, option: str = '--out') -> None:
    """Refuse a folder that can't be made, or in which no file can; it is made.

    Raises:
        OutputError: naming it, and why.
    """
    refuse_file(folder, option)
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=os.fspath(folder)):
            pass
    except OSError as err:
        raise OutputError(
            f'{option} {folder} can not be written into ({err.strerror}): give '
            'another one'
        ) from err


def made_in(folder: str | os.PathLike) -> set[str]:
    """Names, relative to the folder, of what our tools have made in it."""
    path = Path(folder) / MADE
    if not path.is_file():
        return set()
    return set(path.read_text(encoding='utf-8').split('\n')) - {''}


def one_file_each(outputs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """File → what it is made of, each name inside its folder and given once.

    Raises:
        OutputError: naming both inputs that would share an output, or the name that
            leads elsewhere.
    """
    planned: dict[str, str] = {}
    for name, source in outputs:
        clean = inside(name)
        if clean in planned:
            raise OutputError(
                f'{planned[clean]} and {source} would both be written to {clean}: '
                'rename one of them, or predict them into folders of their own'
            )
        planned[clean] = source
    return planned


def inside(name: str) -> str:
    """A name of an output, normalised; it stays below its folder.

    Args:
        name: relative, with ``/``; may name folders.

    Raises:
        OutputError: if it is absolute, or leads out of the folder.
    """
    path = PurePosixPath(os.path.normpath(name))
    if path.is_absolute() or '..' in path.parts or not path.name:
        raise OutputError(
            f'the output {name!r} would lie outside of its folder: images must be '
            'named relative to the folder of the images (data_root, '
            'data_prefix.img_path), without ".."'
        )
    return str(path)


def refuse_inputs(
    out: str | os.PathLike,
    inputs: Iterable[str | os.PathLike],
    option: str = '--out',
) -> None:
    """Refuse a file or folder of outputs that is, or holds, something that is read.

    Args:
        out: file or folder, there or not. What lies *in* a folder that is read from is
            no harm: nothing there is replaced.
        inputs: files and folders.
        option: the option that gives ``out``.

    Raises:
        OutputError: naming the input.
    """
    real = os.path.realpath(out)
    for given in dict.fromkeys(os.fspath(path) for path in inputs if path):
        is_folder = os.path.isdir(given)
        path = os.path.realpath(given)
        holds = is_folder and os.path.join(path, '').startswith(os.path.join(real, ''))
        if path == real or holds or _same_file(path, real):
            what = 'is' if path == real else ('holds' if holds else 'is the file')
            raise OutputError(
                f'{option} {out} {what} {given}, which is read: what is written '
                'could replace it. Give a folder or file of its own'
            )


def claim_file(
    path: str | os.PathLike,
    inputs: Iterable[str | os.PathLike] = (),
    option: str = '--out',
    keys: Collection[str] = (),
) -> Path:
    """One file that a tool may write: no input, and none of another making.

    A picture or a page of ours says so itself; a JSON report is known by its keys.
    Anything else that is there is refused.

    Args:
        path: the file.
        inputs: files and folders that the run reads.
        option: the option that gives it.
        keys: top-level keys of the JSON object that is written.

    Raises:
        OutputError: naming the file.
    """
    path = Path(path)
    refuse_inputs(path, inputs, option)
    if path.is_dir():
        raise OutputError(f'{option} {path} is a folder: give the name of a file')
    ours = _is_our_picture(path) or _is_our_page(path) or _has_keys(path, keys)
    if path.exists() and not ours:
        raise OutputError(
            f'{option} {path} is there and was not made by this tool: give another '
            'name, or move it away'
        )
    return path


def write_drawing(
    picture: Image.Image, path: str | os.PathLike, **options: Any
) -> None:
    """Write a PNG that says that it is ours, so that :func:`claim_file` knows it.

    Args:
        picture: PIL image.
        path: file name; folders are made.
        **options: of PIL's ``save``.
    """
    info = PngImagePlugin.PngInfo()
    info.add_text('Software', SOFTWARE)
    write_picture(picture, path, pnginfo=info, **options)


def _files_of(folder: Path, names: Collection[str]) -> set[str]:
    """Those of the names that are there; folders are listed, not files asked for."""
    found = set()
    for sub in {os.path.dirname(name) for name in names}:
        if (folder / sub).is_dir():
            found |= {os.path.join(sub, name) for name in os.listdir(folder / sub)}
    return found


def _same_file(one: str, other: str) -> bool:
    return (
        os.path.isfile(one) and os.path.isfile(other) and os.path.samefile(one, other)
    )


def _is_our_picture(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return picture.info.get('Software') == SOFTWARE
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def _is_our_page(path: Path) -> bool:
    if path.suffix.lower() != '.html' or not path.is_file():
        return False
    with open(path, 'rb') as file:
        return _GENERATOR in file.read(1024)


def _has_keys(path: Path, keys: Collection[str]) -> bool:
    if not keys or path.suffix.lower() != '.json' or not path.is_file():
        return False
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except ValueError:
        return False
    return isinstance(content, dict) and set(keys) <= content.keys()
