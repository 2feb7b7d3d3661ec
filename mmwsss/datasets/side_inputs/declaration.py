# Licensed under Apache-2.0.
"""The declarations of a data set's dense side inputs, and the files they find."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mmwsss.io.image_files import FileFinder
from mmwsss.registry import SIDE_INPUT_KINDS
from mmwsss.structures import PARTIAL

from .side_input_kind import SideInputKind

#: the side input that is trained on as if it were the true mask
MASK = 'mask'
#: names whose ids are classes, whatever other ids are; what a kind is told of them
_OF_CLASSES: dict[str, dict[str, Any]] = {
    MASK: dict(classes=True),
    PARTIAL: dict(classes=True, optional=True),
}
#: how many files are compared with each other at start
SAMPLES = 8
#: names that an item of a data set has for something else
TAKEN = {
    *('img', 'img_id', 'img_path', 'img_shape', 'ori_shape', 'pad_shape', 'views'),
    *('inputs', 'data_samples', 'gt_labels', 'gt_score', 'gt_sem_seg', 'gt_seg_map'),
    'labels_known',
    *('seg_map_path', 'seg_fields', 'valid_box', 'num_foreground', 'label_map'),
    *('reduce_zero_label', 'sample_idx', 'side_inputs', 'flip', 'flip_direction'),
    *('scale', 'scale_factor', 'seg_logits', 'pred_sem_seg', 'metainfo'),
}


class SideFile(NamedTuple):
    """The file of one image.

    Attributes:
        path: ``None`` for an image that has none of this kind.
        kind: what is done with it.
    """

    path: str | None
    kind: SideInputKind


@dataclass(frozen=True)
class SideInput:
    """One declared side input.

    Attributes:
        name: the field of the sample.
        folder: where the files lie, named as the images.
        suffixes: tried in order.
        kind: what is done with the files.
    """

    name: str
    folder: str
    suffixes: tuple[str, ...]
    kind: SideInputKind

    def find(self, infos: Sequence[dict], listed: bool = True) -> None:
        """Give each image its file as ``info['side_inputs'][name]``, a `SideFile`.

        Args:
            infos: dicts of a data set's list; changed in place.
            listed: look at the disk at all.

        Raises:
            DataError: naming the first file that is missing or doesn't fit its image.
        """
        optional = self.kind.optional  # only the folder tells who has a file
        files = FileFinder(self.folder, listed or optional)
        find = files.there if optional else files.find
        paths = [
            find(info['img_id'], self.suffixes) if self.kind.has_file(info) else None
            for info in infos
        ]
        there = [path for path in paths if path is not None]
        files.refuse_missing(
            self.kind.error,
            f'{self.name} files',
            len(there),
            f'check side_inputs.{self.name}.dir; {self.kind.source}',
        )
        for info, path in zip(infos, paths):
            files_of = info.get('side_inputs', {})
            info['side_inputs'] = {**files_of, self.name: SideFile(path, self.kind)}
            if listed and path is not None:
                self.kind.check(path, info)
        if listed:
            self.kind.check_all(spread(there, SAMPLES))
        if optional and infos and not there and not self.stored():
            raise self.kind.error(
                self.folder,
                f'holds no {" or ".join(self.suffixes)} file, for none of {len(infos)} '
                'pictures',
                f'check side_inputs.{self.name}.dir, or leave the side input out',
            )

    def stored(self) -> int:
        """How many files of this kind lie in the folder, whosoever they are."""
        return sum(
            name.endswith(self.suffixes)
            for _, _, names in os.walk(self.folder)
            for name in names
        )


def spread(items: Sequence, count: int) -> list:
    """``count`` items at even distances, the first and last among them."""
    if count >= len(items):
        return list(items)
    last = len(items) - 1
    return [items[int(i * last / max(count - 1, 1))] for i in range(count)]


def read_declarations(
    side_inputs: Mapping[str, Mapping[str, Any] | None] | None, data_root: str | None
) -> tuple[SideInput, ...]:
    """Build what a config declares; entries of ``None`` are passed over.

    Args:
        side_inputs: name → ``dict(dir, kind, suffix, root, ...)``, see
            :class:`.WeakSegDataset`.
        data_root: folder that each ``dir`` without a ``root`` is relative to.

    Raises:
        ValueError: naming the entry that is wrong, and what it may be.
    """
    return tuple(
        _read(name, entry, data_root)
        for name, entry in (side_inputs or {}).items()
        if entry is not None
    )


def folder_of(entry: Mapping[str, Any], data_root: str | None) -> str:
    """The folder of a declaration: ``dir`` below its ``root`` or ``data_root``."""
    root = entry.get('root')
    return os.path.join((data_root if root is None else root) or '', entry['dir'])


def _read(name: str, entry: Any, data_root: str | None) -> SideInput:
    where = f'side_inputs.{name}'
    if not (isinstance(name, str) and name.isidentifier()) or name in TAKEN:
        raise ValueError(f'{where}: {name!r} is not free as a name; choose another')
    if not isinstance(entry, Mapping) or not isinstance(entry.get('dir'), str):
        raise ValueError(
            f"{where} must be dict(dir='FOLDER', kind=...) or None, got {entry!r}"
        )
    folder = folder_of(entry, data_root)
    entry = {key: item for key, item in entry.items() if key not in ('dir', 'root')}
    suffixes, kind = entry.pop('suffix', None), _kind(where, name, entry)
    if suffixes is None:
        suffixes = kind.suffixes
    return SideInput(
        name,
        folder,
        (suffixes,) if isinstance(suffixes, str) else tuple(suffixes),
        kind,
    )


def _kind(where: str, name: str, entry: dict[str, Any]) -> SideInputKind:
    """Build the kind from what is left of a declaration."""
    kind = entry.pop('kind', None)
    known = SIDE_INPUT_KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise ValueError(
            f'{where}.kind is {kind!r}; use one of '
            f'{sorted(SIDE_INPUT_KINDS.module_dict)}, or name the module that '
            'registers it in custom_imports'
        )
    entry = _OF_CLASSES.get(name, {}) | entry
    try:
        built = SIDE_INPUT_KINDS.build(dict(type=kind) | entry)
    except TypeError as err:
        raise ValueError(
            f'{where} has entries that the kind {kind!r} does not know: {err}'
        ) from err
    if name in _OF_CLASSES and not getattr(built, 'classes', False):
        raise ValueError(f"{where} is trained on: it must be of kind='ids', of classes")
    return built
