# Licensed under Apache-2.0.
"""What the result of a stage depends on: its settings, and the files that it reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmwsss.datasets.side_inputs.declaration import folder_of
from mmwsss.io.settings_hash import plain, settings_hash
from mmwsss.structures import PARTIAL

from .fingerprint import path_hash
from .label_options import read_segments_entry
from .stage_checks import LOADERS_READ, PATHS
from .stages import Stage

_LISTS = ('.txt', '.json', '.csv')
LOADERS = ('train', 'val', 'test')


def config_files(cfg: Mapping[str, Any]) -> dict[str, str]:
    """Hashes of the files that a config names.

    Every string that is the path of a file counts (weights, label files), and of each
    ``data_root`` the text, JSON and CSV files directly in it (classes, labels, the
    settings of a drawn data set). Pictures and masks of a data set don't count.
    """
    found: set[str] = set()
    for key, text in _strings(cfg):
        if key == 'data_root' and os.path.isdir(text):
            found |= {
                entry.path
                for entry in os.scandir(text)
                if entry.name.endswith(_LISTS) and entry.is_file()
            }
        elif len(text) < 4096 and '\n' not in text and os.path.isfile(text):
            found.add(text)
    return {name: str(path_hash(name)) for name in sorted(found)}


def list_files(
    cfg: Mapping[str, Any], loaders: Sequence[str] = (), split: str | None = None
) -> dict[str, str]:
    """Hashes of the lists of images and labels that data sets read.

    Folders of labels count as :func:`.fingerprint.path_hash` says. Lists that come with
    mmwsss don't count.

    Args:
        cfg: the config.
        loaders: the data loaders whose lists are meant.
        split: without loaders: the split; ``None``: that of the training.
    """
    datasets = {
        name: dict((cfg.get(f'{name}_dataloader') or {}).get('dataset') or {})
        for name in LOADERS
    }
    if loaders:
        chosen = [datasets[name] for name in loaders]
    else:
        train = datasets['train']
        of_split = [data for data in datasets.values() if data.get('split') == split]
        chosen = (
            of_split
            if of_split and split
            else [train | (dict(split=split) if split else {})]
        )
    return {path: str(path_hash(path)) for data in chosen for path in _lists_of(data)}


def _lists_of(dataset: Mapping[str, Any]) -> Iterator[str]:
    """Label file, list of images, partial labels; of Shapes and COCO the splits."""
    root, labels = dataset.get('data_root'), dataset.get('ann_file')
    if root and not labels:
        labels = f'splits/{dataset.get("split", "train")}.txt'
    for name in filter(None, (labels, dataset.get('split_file'))):
        path = os.path.join(root or '', name)
        if os.path.exists(path):
            yield path
    known = (dataset.get('side_inputs') or {}).get(PARTIAL)
    if known:  # few files, and labels
        path = folder_of(known, root)
        if os.path.isdir(path):
            yield path


def _strings(value: Any, key: str = '') -> Iterator[tuple[str, str]]:
    """All strings of nested data, with the key that each stands under."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _strings(item, str(name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item, key)


def stage_settings(stage: Stage, paths: Mapping[str, str]) -> dict[str, Any]:
    """All that the result of a stage depends on.

    What comes from earlier stages counts by its content, not by its path, so that a
    whole pipeline can be moved.
    """
    config = None if stage.config is None else plain(stage.read_config().to_dict())
    inputs = {
        need: path_hash(paths[need])
        for need in (f'{name}.{what}' for name, what in stage.needs)
    }
    lists = list_files(
        config or {}, LOADERS_READ.get(stage.type, ()), stage.values.get('split')
    )
    return dict(
        type=stage.type,
        tool=stage.kind.tool,
        values=plain(stage.values),
        args=list(stage.args),
        config=config,
        files=config_files(config or {}) | lists,
        inputs=inputs | {path: content_hash(path) for path in literal_paths(stage)},
    )


def literal_paths(stage: Stage) -> list[str]:
    """Files and folders that a stage names itself, as far as they are there.

    A word without a folder is a path only where nothing else can stand.
    """
    named = [
        item
        for key, value in stage.values.items()
        for item in (value if isinstance(value, (list, tuple)) else [value])
        if isinstance(item, str)
        and (os.path.dirname(item) or key in (*stage.kind.takes, *PATHS))
    ]
    segments = stage.values.get('segments')
    if segments:
        named.append(read_segments_entry(segments)['dir'])
    found = dict.fromkeys((*named, *stage.inputs))
    return [path for path in found if os.path.exists(path)]


def content_hash(path: str) -> str | None:
    """As :func:`.fingerprint.path_hash`; a config counts with its bases."""
    if not path.endswith('.py'):
        return path_hash(path)
    cfg = Config.fromfile(path, import_custom_modules=False)
    return settings_hash(cfg.to_dict())
