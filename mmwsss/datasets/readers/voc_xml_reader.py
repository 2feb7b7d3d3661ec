# Licensed under Apache-2.0.
from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from mmwsss.io.data_errors import LabelError
from mmwsss.registry import LABEL_READERS

from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .vocabulary import Vocabulary


def read_voc_objects(path: str) -> tuple[str, ...]:
    """Class names of one VOC XML file, "difficult" objects included."""
    try:
        objects = ElementTree.parse(path).getroot().findall('object')
        names = [item.findtext('name', '').strip() for item in objects]
    except FileNotFoundError as err:
        raise LabelError(path, 'is missing', 'unpack VOCtrainval whole') from err
    except ElementTree.ParseError as err:
        raise LabelError(
            path, f'is no VOC annotation ({err})', 'unpack it again'
        ) from err
    if not all(names):
        raise LabelError(
            path, 'is no VOC annotation (an object has no name)', 'unpack it again'
        )
    return tuple(dict.fromkeys(names))


@LABEL_READERS.register_module(name='voc_xml')
class VocXmlReader(LabelReader):
    """A folder of VOC XML files: all listed objects, "difficult" ones too."""

    order = 10

    def fits(self, source: LabelSource) -> bool:
        """A folder with XML files."""
        return source.is_folder and any(Path(source.path).glob('*.xml'))

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """A file without an object says that its image holds none."""
        files = sorted(Path(source.path).glob('*.xml'))
        if not files:
            raise LabelError(
                source.path, 'holds no *.xml', 'give the folder "Annotations"'
            )
        for file in files:
            yield file.stem, read_voc_objects(str(file))
