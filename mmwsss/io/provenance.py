# Licensed under Apache-2.0.
"""Where weights and labels come from: code, config, data, parents.

A *record* is plain data: it stands in the meta data of a checkpoint and in the
``manifest.json`` of a folder of labels, under :data:`KEY`.

===========  =====================================================================
entry        what
===========  =====================================================================
``code``     ``version`` of mmwsss, git ``commit`` (a clone's), hash of its ``sources``
``config``   ``path`` and ``hash`` of the settings, without places and weights
``data``     for each data set: ``kind``, ``path``, number of ``pictures``, hash of
             their names and image ``labels``, ``made_by``: records of folders it reads
``parents``  for each file of weights: ``role``, ``source``, ``sha256``, its ``record``
``resumed``  iterations at which the same run went on
===========  =====================================================================

Only lists, labels, the package's own sources and the parents' files are hashed, never
pictures.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from mmwsss.version import __version__

from .checkpoint import load_checkpoint_file, local_file
from .errors import UserError
from .inputs_read import folders_of
from .settings_hash import plain, settings_hash
from .weight_files import file_hash

#: of a record, in a checkpoint's meta data and in a manifest
KEY = 'provenance'
#: file in a folder of outputs that says what it was made with
MANIFEST = 'manifest.json'
#: settings that say where and how, not what
_PLACES = (
    *('work_dir', 'resume', 'load_from', 'launcher', 'experiment_name'),
    *('log_level', 'visualizer', 'vis_backends'),
)
#: settings that name files of weights, which are parents
_WEIGHTS = ('pretrained', 'checkpoint')
#: entries that are equal where the same run goes on
_SAME = ('code', 'config', 'data')


def make_record(
    cfg: Mapping[str, Any],
    datasets: Sequence[Any],
    parents: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The record of what is being made.

    Args:
        cfg: whole config, with the attribute ``filename`` where it has one.
        datasets: built, of any class.
        parents: see :func:`parent`.
    """
    return dict(
        code=code_facts(),
        config=dict(path=getattr(cfg, 'filename', None), hash=config_hash(cfg)),
        data=[data_facts(dataset) for dataset in datasets],
        parents=[dict(one) for one in parents],
    )


@cache
def code_facts() -> dict[str, Any]:
    """Version, commit and hash of the sources of mmwsss as it is installed here."""
    package = Path(__file__).resolve().parents[1]
    digest = sha256()
    for path in sorted(package.rglob('*.py')):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(path.read_bytes())
    return dict(
        version=__version__,
        commit=_commit(package.parent),
        sources=digest.hexdigest()[:16],
    )


def _commit(root: Path) -> str | None:
    if not (root / '.git').exists():  # a folder, or a work tree's file
        return None
    command = ['git', '-C', str(root), 'rev-parse', 'HEAD']
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def config_hash(cfg: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of the settings, wherever the run writes and resumes."""
    settings = {key: value for key, value in cfg.items() if key not in _PLACES}
    return settings_hash(_without_weights(plain(settings)))


def _without_weights(value: Any) -> Any:
    """Plain settings without files of weights, which a resumed run doesn't name."""
    if isinstance(value, list):
        return [_without_weights(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_weights(item)
        for key, item in value.items()
        if not (key in _WEIGHTS and (item is None or isinstance(item, str)))
        and not (key == 'init_cfg' and _WEIGHTS[1] in (item or {}))
    }


def weights_in(settings: Any, name: str = 'model') -> Iterator[tuple[str, str]]:
    """(dotted name, path or URL) of the files of weights that settings name."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            if key in _WEIGHTS and isinstance(value, str):
                yield f'{name}.{key}', value
            else:
                yield from weights_in(value, f'{name}.{key}')
    elif isinstance(settings, (list, tuple)):
        for index, value in enumerate(settings):
            yield from weights_in(value, f'{name}.{index}')


def parent(role: str, source: str, **known: Any) -> dict[str, Any]:
    """What is to be known of a file of weights.

    Args:
        role: what it is used for, e.g. ``'model.backbone.pretrained'``.
        source: path or URL, of a file that lies on this machine.
        **known: ``record=`` of a checkpoint that is loaded already; more facts.

    Returns:
        With ``sha256`` of the file, ``None`` where it is there no more.
    """
    path = local_file(source)
    if 'record' not in known:
        known['record'] = None if path is None else _record_or_none(path)
    digest = None if path is None else file_hash(path)
    return dict(role=role, source=str(source), sha256=digest, **known)


def _record_or_none(path: Path) -> dict[str, Any] | None:
    try:
        return record_in(load_checkpoint_file(str(path), 'cpu'))
    except (UserError, OSError):  # of another kind, or gone meanwhile
        return None


def record_in(checkpoint: Any) -> dict[str, Any] | None:
    """The record of a loaded checkpoint; ``None`` where it has none."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    record = meta.get(KEY) if isinstance(meta, Mapping) else None
    return record if isinstance(record, dict) else None


def data_facts(dataset: Any) -> dict[str, Any]:
    """What is to be known of a data set: which pictures, with which image labels.

    Args:
        dataset: built, of any class; of a wrapper the facts of what is in it.
    """
    kind, inner = type(dataset).__name__, getattr(dataset, 'datasets', None)
    if inner is None and hasattr(dataset, 'dataset'):
        inner = [dataset.dataset]
    if inner is not None:
        return dict(kind=kind, parts=[data_facts(part) for part in inner])
    facts: dict[str, Any] = dict(kind=kind, pictures=len(dataset))
    if hasattr(dataset, 'get_data_info'):
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        facts['path'] = str(getattr(dataset, 'ann_file', '') or '')
        facts['labels'] = labels_hash_of(infos)
        found = {str(path): record_of_folder(path) for path in folders_of(infos)}
        facts['made_by'] = {path: one for path, one in found.items() if one}
    return facts


def labels_hash_of(infos: Sequence[Mapping[str, Any]]) -> str:
    """Changes with the images of a data set and with their image labels.

    Args:
        infos: of ``get_data_info``: ``img_id`` (or ``img_path``) and ``gt_labels``.
    """
    names = (info.get('img_id') or os.path.basename(info['img_path']) for info in infos)
    labels = (info.get('gt_labels') for info in infos)
    return settings_hash([[*pair] for pair in zip(names, labels, strict=True)])


def record_of_folder(folder: str | os.PathLike) -> dict[str, Any] | None:
    """The record of a folder of labels, or of the one that it lies in."""
    for place in (Path(folder), Path(folder).resolve().parent):
        try:
            content = json.loads((place / MANIFEST).read_text(encoding='utf-8'))
        except (OSError, ValueError):
            continue
        record = content.get(KEY) if isinstance(content, dict) else None
        if isinstance(record, dict):
            return record
    return None


def continued(
    there: Mapping[str, Any] | None, record: Mapping[str, Any], **how: Any
) -> dict[str, Any]:
    """The record where something that was begun goes on.

    Args:
        there: what the beginning says of itself; ``None``: nothing.
        record: of what goes on now.
        **how: of the parent that the beginning becomes where it was made by other
            code, settings or data: ``role``, ``source``, ``sha256``, ...

    Returns:
        The beginning's own, where nothing has changed.
    """
    if there and all(there.get(key) == record[key] for key in _SAME):
        return dict(there)
    return {**record, 'parents': [*record['parents'], dict(how, record=there)]}


def without_places(record: Any) -> Any:
    """A record to be given away: names of files, without the folders of a machine."""
    if isinstance(record, Mapping):
        return {
            key: _name_alone(item)
            if key in ('path', 'source')
            else {_name_alone(path): without_places(one) for path, one in item.items()}
            if key == 'made_by'
            else without_places(item)
            for key, item in record.items()
        }
    return [without_places(i) for i in record] if isinstance(record, list) else record


def _name_alone(place: str | None) -> str | None:
    if not place or '://' in place:
        return place
    return os.path.basename(place.rstrip('/'))
