# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator

from mmwsss.io.data_errors import LabelError
from mmwsss.registry import LABEL_READERS

from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .vocabulary import Vocabulary


@LABEL_READERS.register_module(name='cvat')
class CvatReader(LabelReader):
    """CVAT's export "CVAT for images" (``annotations.xml``): tags, labels of shapes."""

    order = 10

    def fits(self, source: LabelSource) -> bool:
        """Any XML file."""
        return source.begin == '<'

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """All images of the task stand there: one without a label may be unlabelled."""
        root = source.xml
        if root.tag == 'annotation':
            raise LabelError(
                source.path, 'is one VOC annotation', 'give the folder that it lies in'
            )
        images = root.findall('image')
        if root.tag != 'annotations' or not images:
            what = 'tracks of a video' if root.find('track') is not None else 'no image'
            raise LabelError(
                source.path,
                f'is XML with the root <{root.tag}> and holds {what}',
                'export it as "CVAT for images", or give a folder of VOC XML files',
            )
        labels = root.iterfind('meta//label/name')
        source.declared += [label.text for label in labels if label.text]
        for image in images:
            given = [item.attrib['label'] for item in image if 'label' in item.attrib]
            yield image.attrib.get('name', ''), given or None
