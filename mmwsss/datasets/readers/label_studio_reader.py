# Licensed under Apache-2.0.
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import image_stem
from mmwsss.registry import LABEL_READERS

from .json_reader import classes_of
from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .vocabulary import Vocabulary

#: what Label Studio puts before the name of an uploaded file
_UPLOAD = re.compile(r'^[0-9a-f]{1,8}-(?=.)')
_SHAPES = re.compile(r'^(choices|labels|\w+labels)$')
OWN_KEYS = ('annotation_id', 'annotator', 'lead_time', 'created_at')
#: fields that Label Studio adds to those of the project
_ADDED = (*OWN_KEYS, 'id', 'updated_at')


def photo_name(url: str) -> tuple[str, str]:
    """The name of a picture before it was given to Label Studio, and the one in there.

    Example:
        >>> photo_name('/data/upload/3/1f2e3d4c-my%20photo.jpg')
        ('my photo.jpg', '1f2e3d4c-my photo.jpg')
        >>> photo_name('/data/local-files/?d=images/a.jpg')[0]
        'images/a.jpg'
    """
    url = unquote(url)
    if '?d=' in url:
        local = url.partition('?d=')[2]
        return local, local
    name = url.partition('?')[0].rpartition('/')[2]
    return (_UPLOAD.sub('', name) if '/upload/' in url else name), name


@LABEL_READERS.register_module(name='label_studio')
class LabelStudioReader(LabelReader):
    """Label Studio's exports "JSON" and "JSON-MIN".

    Choices and multi-choices are image labels; the labels of rectangles, polygons,
    brushes and key points are too. All annotators of an image count.
    """

    order = 25

    def fits(self, source: LabelSource) -> bool:
        """A list of tasks."""
        if source.begin != '[' or not source.json:
            return False
        first = source.json[0]
        return isinstance(first, dict) and (
            'data' in first
            and bool({'annotations', 'completions'} & set(first))
            or any(key in first for key in OWN_KEYS)
        )

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """A task that nobody has annotated says nothing of its classes."""
        for number, task in enumerate(source.json):
            try:
                url, labels = _full(task) if 'data' in task else short_task(task)
                names = None if labels is None else names_of(labels)
            except (AttributeError, TypeError, LookupError, ValueError) as err:
                raise LabelError(
                    source.path,
                    f'is no Label Studio export: task {number} has another form '
                    f'({err})',
                    'export it as JSON or JSON-MIN, of a project of pictures',
                ) from err
            yield own_name(url, source), names


def own_name(url: str, source: LabelSource) -> str:
    """The name of a picture; the one that it has in Label Studio becomes its alias."""
    name, uploaded = photo_name(url)
    if uploaded != name:
        source.aliases[name] = uploaded
    return name


def _full(task: Mapping[str, Any]) -> tuple[str, list[Any] | None]:
    """URL and label values of a task of the export "JSON"."""
    done = task.get('annotations', task.get('completions')) or ()
    done = [item for item in done if not item.get('was_cancelled')]
    values = [
        region['value'][region['type']]
        for item in done
        for region in item['result']
        if _SHAPES.match(region['type'])
    ]
    return _picture(task['data']), values if done else None


def short_task(task: Mapping[str, Any]) -> tuple[str, list[Any] | None]:
    """URL and label values of a task of the export "JSON-MIN".

    It says the same of a picture that somebody found empty and of one that nobody has
    labelled: nothing, ``None``.
    """
    url = _picture(task)
    values: list[Any] = []
    for key, value in task.items():
        if value is url or key in _ADDED:
            continue
        if isinstance(value, list):  # regions
            values += [v for item in value for k, v in item.items() if _SHAPES.match(k)]
        else:
            values.append(value['choices'] if isinstance(value, dict) else value)
    return url, values if names_of(values) else None


def _picture(fields: Mapping[str, Any]) -> str:
    """The one field that holds a path or URL: ``image``, ``img``, ``photo``, …

    Other texts have dots too, ``St. Bernard``: the name of a file counts before them.
    """
    found = {
        key: value
        for key, value in fields.items()
        if key not in _ADDED and isinstance(value, str) and set(value) & {'/', '.'}
    }
    if not found:
        raise ValueError(f'none of its fields {list(fields)} names a picture')
    return max(found.items(), key=_likeness)[1]


def _likeness(field: tuple[str, str]) -> tuple[bool, bool, bool]:
    """How much a field looks like that of the picture."""
    key, value = field
    name = photo_name(value)[1]
    return key == 'image', image_stem(name) != name, '/' in value


def names_of(values: Iterable[Any]) -> list[str]:
    """Class names of label values: texts, and lists of texts."""
    return [
        name
        for value in values
        if value is not None
        for name in (
            [value] if isinstance(value, str) else classes_of(value, Vocabulary()) or ()
        )
    ]
