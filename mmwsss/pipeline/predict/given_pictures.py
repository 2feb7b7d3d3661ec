# Licensed under Apache-2.0.
"""What was given to be predicted, as a list of pictures and videos."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from mmwsss.io.errors import UserError
from mmwsss.io.image_files import IMAGE_SUFFIXES, image_stem, images_below, photos_in
from mmwsss.io.litter import is_litter

from .given_picture import GivenPicture
from .given_video import VIDEO_SUFFIXES, GivenVideo

Given = GivenPicture | GivenVideo
_URL = ('http://', 'https://')
_PATTERN = '*?['


def pictures_given(
    inputs: Any, recursive: bool = False, apart_from: str | os.PathLike | None = None
) -> list[Given]:
    """Pictures and videos of what a user gives.

    Args:
        inputs: path, URL or glob of a picture or video; a folder of pictures; an array
            (H, W, N) uint8; or a list of these.
        recursive: whether folders below a folder are walked too. Where they aren't,
            that is said.
        apart_from: a folder whose pictures don't count: that of the outputs.

    Raises:
        FileNotFoundError: if there is nothing.
        DataError: if a video can't be read.
        UserError: if something of another kind is given.
    """
    if isinstance(inputs, (list, tuple)):
        found: list[Given] = []
        for number, one in enumerate(inputs):
            found += _given(one, recursive, apart_from, f'picture_{number:06d}')
    else:
        found = _given(inputs, recursive, apart_from, 'picture')
    if not found:
        raise UserError('nothing was given to be predicted: give pictures')
    return found


def folders_given(inputs: Any) -> list[str]:
    """Those of the inputs that are folders: nothing is to be written over them."""
    several = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    paths = [os.fspath(one) for one in several if isinstance(one, (str, os.PathLike))]
    return [path for path in paths if os.path.isdir(path)]


def each_picture(given: Sequence[Given]) -> Iterator[GivenPicture]:
    """The pictures one by one, those of videos too."""
    for one in given:
        if isinstance(one, GivenVideo):
            yield from one.frames()
        else:
            yield one


def names_given(given: Sequence[Given]) -> list[tuple[str, str]]:
    """(name of its outputs, what it is) of each picture."""
    return [
        (name, str(one.path or name))
        for one in given
        for name in (one.names() if isinstance(one, GivenVideo) else [one.name])
    ]


def _given(
    one: Any, recursive: bool, apart_from: str | os.PathLike | None, name: str
) -> list[Given]:
    if isinstance(one, np.ndarray):
        return [GivenPicture(name, one)]
    if isinstance(one, (GivenPicture, GivenVideo)):
        return [one]
    if not isinstance(one, (str, os.PathLike)):
        raise UserError(
            'give a path, URL, glob, folder or array (H, W, 3) uint8, or a list of '
            f'these; got {type(one).__name__}'
        )
    text = os.fspath(one)
    if text.startswith(_URL):
        bare = text.partition('?')[0]
        return [_of_file(text, image_stem(os.path.basename(bare)), bare)]
    if os.path.isdir(text):
        return _of_folder(Path(text), recursive, apart_from)
    if not os.path.exists(text) and any(letter in text for letter in _PATTERN):
        return _of_pattern(text, apart_from)
    if text.lower().endswith(VIDEO_SUFFIXES):
        return [GivenVideo(text)]
    photos_in(text)  # refused where it isn't there
    return [GivenPicture(image_stem(os.path.basename(text)), text)]


def _of_file(path: str, name: str, kind: str) -> Given:
    if kind.lower().endswith(VIDEO_SUFFIXES):
        return GivenVideo(path, os.path.splitext(os.path.basename(kind))[0])
    return GivenPicture(name, path)


def _of_folder(
    folder: Path, recursive: bool, apart_from: str | os.PathLike | None
) -> list[Given]:
    way = 'recursive=True, or --recursive, takes them too'
    found = images_below(folder) if recursive else photos_in(folder, way)
    found = _apart(found, folder, apart_from)
    if not found:
        raise FileNotFoundError(f'{folder} holds no photos {IMAGE_SUFFIXES}')
    videos = [p.name for p in folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES]
    if videos:
        print_log(f'videos in {folder} are left out: {videos}; give each by itself')
    return _named(found, folder)


def _of_pattern(pattern: str, apart_from: str | os.PathLike | None) -> list[Given]:
    paths = sorted(map(Path, glob.glob(pattern, recursive=True)))
    suffixes = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)
    kept = [p for p in paths if p.suffix.lower() in suffixes and p.is_file()]
    kept = [p for p in kept if not any(map(is_litter, p.parts))]
    kept = _apart(kept, Path(pattern), apart_from)
    if not kept:
        raise FileNotFoundError(
            f'no picture or video fits {pattern} ({len(paths)} other files do)'
        )
    root = os.path.commonpath([path.parent for path in kept])
    return _named(kept, Path(root))


def _apart(
    found: list[Path], given: Path, apart_from: str | os.PathLike | None
) -> list[Path]:
    """Without what lies in the folder of the outputs, unless it is the one given."""
    if apart_from is None or os.path.realpath(apart_from) == os.path.realpath(given):
        return found
    out = Path(os.path.realpath(apart_from))
    return [path for path in found if out not in Path(os.path.realpath(path)).parents]


def _named(paths: Sequence[Path], root: Path) -> list[Given]:
    found: list[Given] = []
    for path in paths:
        name = image_stem(path.relative_to(root).as_posix())
        if path.suffix.lower() in VIDEO_SUFFIXES:
            found.append(GivenVideo(str(path), os.path.splitext(name)[0]))
        else:
            found.append(GivenPicture(name, str(path)))
    return found
