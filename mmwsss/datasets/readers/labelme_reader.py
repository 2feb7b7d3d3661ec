# Licensed under Apache-2.0.
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import image_stem
from mmwsss.io.litter import is_litter
from mmwsss.registry import LABEL_READERS

from .decoding import read_decoded
from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .vocabulary import Vocabulary

_KEYS = ('shapes', 'imagePath')
#: LabelMe's word for what doesn't count
IGNORED = '__ignore__'


def labelme_files(folder: str, below: bool = False) -> list[Path]:
    """JSON files of a folder, in order, without what systems left there.

    Args:
        folder: of the files.
        below: those in folders below it too.
    """
    root = Path(folder)
    return [
        path
        for path in sorted(root.glob('**/*.json' if below else '*.json'))
        if not any(map(is_litter, path.relative_to(root).parts))
    ]


def labelme_content(file: Path) -> Any:
    """What a JSON file holds; ``None`` if it is none."""
    try:
        return json.loads(read_decoded(str(file))[0])
    except ValueError:
        return None


def labelme_shapes(content: Any, path: str) -> list[Mapping[str, Any]]:
    """Shapes of a LabelMe file, without those called ``__ignore__``.

    Args:
        content: of the file.
        path: of it, for the error.

    Raises:
        LabelError: if it is none of LabelMe's.
    """
    shapes = content.get('shapes') if isinstance(content, Mapping) else None
    if not isinstance(shapes, list) or any(not isinstance(s, Mapping) for s in shapes):
        raise LabelError(
            path,
            'is no file of LabelMe (a list "shapes")',
            'take it out, or save it again in LabelMe',
        )
    return [shape for shape in shapes if shape.get('label') != IGNORED]


@LABEL_READERS.register_module(name='labelme')
class LabelMeReader(LabelReader):
    """A folder with a LabelMe file for each picture, ``a.json`` of ``a.jpg``.

    The labels of all shapes count, and flags that are set.
    """

    order = 15

    def fits(self, source: LabelSource) -> bool:
        """A folder whose first JSON file is one of LabelMe."""
        if not source.is_folder:
            return False
        first = next(iter(labelme_files(source.path)), None)
        return first is not None and _is_labelme(labelme_content(first))

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """A file without a shape says that its picture holds no object.

        One that only ignores places says nothing of it.
        """
        for file in labelme_files(source.path):
            content = labelme_content(file)
            if _is_labelme(content):
                name, labels = _entry(content, str(file))
                yield _picture_of(file, name, source), labels
            else:
                source.left_out['.json', 'not of LabelMe'] += 1


def _picture_of(file: Path, name: str, source: LabelSource) -> str:
    """The picture of a file: what it names, or where that isn't there, its own name.

    Raises:
        LabelError: if both are there: files were renamed since.
    """
    if image_stem(name) == file.stem or not source.has_picture(file.stem):
        return name
    if source.has_picture(name):
        raise LabelError(
            str(file),
            f'says that its picture is {name!r}, and there is a picture {file.stem!r} '
            'too: which one is it?',
            'name the file as its picture, and correct its "imagePath"',
        )
    return file.stem


def _is_labelme(content: Any) -> bool:
    return isinstance(content, Mapping) and all(key in content for key in _KEYS)


def _entry(content: Mapping[str, Any], path: str) -> Entry:
    """The picture; labels of its shapes in their order, then flags that are set.

    Raises:
        LabelError: if a shape or the picture has no name.
    """
    shapes = labelme_shapes(content, path)
    try:
        # the tool wrote the way from the file to the picture, perhaps on Windows
        name = PureWindowsPath(content['imagePath']).name
        flags = content.get('flags') or {}
        labels = [shape['label'] for shape in shapes]
        labels += [flag for flag, is_set in flags.items() if is_set]
        labels = list(dict.fromkeys(labels))
    except (TypeError, KeyError, AttributeError) as err:
        raise LabelError(
            path, f'is no LabelMe file ({err!r})', 'save it again in LabelMe'
        ) from err
    ignored = not labels and content['shapes']
    return name, None if ignored else labels
