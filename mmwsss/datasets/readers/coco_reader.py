# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator

from mmwsss.io.data_errors import LabelError
from mmwsss.registry import LABEL_READERS

from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .vocabulary import Vocabulary


@LABEL_READERS.register_module(name='coco')
class CocoReader(LabelReader):
    """Instances JSON of COCO: images in order of their ids, crowds count."""

    order = 20

    def fits(self, source: LabelSource) -> bool:
        """A JSON object with images and annotations."""
        if source.begin != '{' or '"annotations"' not in source.text:
            return False
        return source.suffix not in ('.jsonl', '.ndjson') and (
            {'images', 'annotations'} <= set(source.json)
        )

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """An image without an annotation has no object."""
        content = source.json
        try:
            names = {item['id']: item['name'] for item in content['categories']}
            found: dict[int, list[str]] = {item['id']: [] for item in content['images']}
            for item in content['annotations']:
                found[item['image_id']].append(names[item['category_id']])
            files = {item['id']: item['file_name'] for item in content['images']}
        except (TypeError, KeyError) as err:
            raise LabelError(
                source.path,
                f'is no COCO instances file (missing {err})',
                'give an instances_*.json',
            ) from err
        for image in sorted(files):
            yield files[image], found[image]
