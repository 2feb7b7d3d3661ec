# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Collection, Iterator

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
            names = self._by_id(source, 'categories', 'name')
            source.declared += names.values()
            files = self._by_id(source, 'images', 'file_name')
            found: dict[int, list[str]] = {image: [] for image in files}
            for item in content['annotations']:
                image, category = item['image_id'], item['category_id']
                if image not in files or category not in names:
                    self._refuse_stray(source, image, category, names)
                found[image].append(names[category])
        except (TypeError, KeyError) as err:
            raise LabelError(
                source.path,
                f'is no COCO instances file (missing {err})',
                'give an instances_*.json',
            ) from err
        for image in sorted(files):
            yield files[image], found[image]

    @staticmethod
    def _by_id(source: LabelSource, part: str, key: str) -> dict[int, str]:
        """Names of a part by their ids.

        Raises:
            LabelError: if two share an id, as in files that were put together.
            TypeError, KeyError: if it has another form.
        """
        found: dict[int, str] = {}
        for item in source.json[part]:
            number, name = item['id'], item[key]
            if found.setdefault(number, name) != name:
                raise LabelError(
                    source.path,
                    f'gives the id {number} to two of its {part}, '
                    f'{found[number]!r} and {name!r}',
                    'number them anew, as files that are put together need',
                )
        return found

    @staticmethod
    def _refuse_stray(
        source: LabelSource, image: int, category: int, names: Collection[int]
    ) -> None:
        """Say which id of an annotation is nowhere.

        Raises:
            LabelError: always.
        """
        what = f'category {category}' if category not in names else f'image {image}'
        raise LabelError(
            source.path,
            f'has an annotation of {what}, which the file does not list',
            'export it again, whole',
        )
