# Licensed under Apache-2.0.
"""Loading of checkpoints without running code that they may contain.

A ``.pth`` file is a pickle and an ordinary unpickler runs whatever it is told to.
Every load of mmwsss (weights, ``load_from``, ``--resume``, pre-trained backbones)
therefore goes through :func:`load_checkpoint_file`, which admits tensors, numbers,
strings and containers only. Importing this module puts it behind mmengine's
``CheckpointLoader`` for every prefix; :func:`use_safe_checkpoints` additionally
closes mmengine's and torch's fall-backs for the whole process.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import os.path as osp
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np
import torch
from mmengine.dist import barrier, get_dist_info
from mmengine.fileio import get_file_backend
from mmengine.logging import HistoryBuffer, print_log
from mmengine.runner import checkpoint as mm_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from numpy._core import multiarray

from .atomic_file import write_atomic
from .errors import UserError
from .fetch import fetch
from .plain import restore_message_hub, to_plain
from .torchscript_archive import is_torchscript
from .weight_files import (
    WEIGHTS_ENV,
    announce_stored,
    check_content,
    check_hash,
    check_own_name,
    hash_in_name,
    stored_weights,
)
from .weights import CheckpointMismatch, compare_weights, load_weights_strict

__all__ = [
    'ALLOW_PICKLE_ENV',
    'CheckpointMismatch',
    'UnsafeCheckpointError',
    'compare_weights',
    'have_weights',
    'load_checkpoint_file',
    'load_weights_strict',
    'local_file',
    'restore_message_hub',
    'to_plain',
    'use_safe_checkpoints',
]

ALLOW_PICKLE_ENV = 'MMWSSS_ALLOW_PICKLE'
_FORCE_ENV = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
_TRUE = ('1', 'y', 'yes', 'true')
_BUFFER_METHODS = ('min', 'max', 'mean', 'current')


class UnsafeCheckpointError(UserError):
    """A checkpoint needs pickled code to load, which is refused."""


def use_safe_checkpoints(allow_pickle: bool = False) -> None:
    """Set the process-wide policy; entry points call this before anything loads.

    Args:
        allow_pickle: ``True`` = unpickle arbitrary objects (a trusted old file),
            as does the environment variable ``MMWSSS_ALLOW_PICKLE=1``.
    """
    if allow_pickle:
        os.environ[ALLOW_PICKLE_ENV] = '1'
    if _pickle_allowed():
        os.environ.pop(_FORCE_ENV, None)
    else:
        os.environ[_FORCE_ENV] = '1'
    _register_loader()


def load_checkpoint_file(
    filename: str,
    map_location: str | torch.device | Callable | None = None,
) -> Any:
    """Load a checkpoint of tensors and plain data from a path or URL.

    Args:
        filename: Local path, ``http(s)://``, ``torchvision://``,
            ``open-mmlab://``, ``mmcls://`` or a path of an mmengine file backend.
        map_location: As in :func:`torch.load`.

    Returns:
        The object that was saved, usually a dictionary.

    Raises:
        FileNotFoundError: There is no such file.
        ConnectionError: A URL can't be fetched. The message says where to put the
            file by hand.
        UnsafeCheckpointError: The file needs pickled code, or isn't a checkpoint.
        UserError: The name of a file on this machine gives another sha256 than it has.
    """
    url = resolve_url(filename)
    if url is not None:
        path = _stored_or_downloaded(url)
        checkpoint = _load(path, map_location, filename)
    elif '://' in filename:
        checkpoint = _load(_fetch(filename), map_location, filename)
    else:
        checkpoint = _load(_existing(filename), map_location, filename)
    if filename.startswith('mmcls://'):
        return mm_checkpoint._process_mmcls_checkpoint(checkpoint)
    return checkpoint


def have_weights(filename: str) -> None:
    """Fetch weights that are named by their address, or find the file; read nothing.

    It waits for no other process: one of each machine calls it.
    What isn't a path or an address of the net (``s3://…``) is left to the reading.

    Raises:
        FileNotFoundError, ConnectionError, UserError: as :func:`load_checkpoint_file`.
    """
    url = resolve_url(filename)
    if url is None and '://' not in filename:
        _existing(filename)
    elif url is not None and stored_weights(url) is None:
        _cached(url, _fetch_to_cache(url))


def local_file(filename: str) -> Path | None:
    """The file behind a path or URL that has been loaded here; ``None``: none is left.

    Nothing is downloaded.
    """
    url = resolve_url(filename)
    if url is None:
        path = Path(osp.expanduser(filename))
    else:
        path = stored_weights(url) or Path(_cached_path(url))
    return path if path.is_file() else None


def _existing(filename: str) -> str:
    path = osp.expanduser(filename)
    if osp.isfile(path):
        check_own_name(path)
        return path
    folder = osp.dirname(osp.abspath(path))
    near = (
        sorted(f for f in os.listdir(folder) if f.endswith('.pth'))
        if osp.isdir(folder)
        else []
    )
    found = (
        f'that folder holds {near[:8]}'
        if near
        else (
            'that folder holds no .pth file'
            if osp.isdir(folder)
            else f'the folder {folder} does not exist either'
        )
    )
    raise FileNotFoundError(f'checkpoint {filename} can not be found; {found}.')


def _load(file: str | BinaryIO, map_location: Any, name: str) -> Any:
    if isinstance(file, str):
        check_content(file)
        if is_torchscript(file):
            raise UnsafeCheckpointError(
                f'{name} is a TorchScript archive, a program and no checkpoint: it is '
                "not run. OpenAI's files of CLIP are converted by "
                'tools/model_converters/clip.py, which reads their tensors alone.'
            )
    if _pickle_allowed():
        print_log(
            f'{ALLOW_PICKLE_ENV} is set: {name} is unpickled and may RUN ANY CODE '
            'that its author put into it.',
            'current',
            logging.WARNING,
        )
        return torch.load(file, map_location=map_location, weights_only=False)
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            return torch.load(file, map_location=map_location, weights_only=True)
    except UnpicklingError as error:
        raise UnsafeCheckpointError(_refusal(name, str(error))) from None
    except Exception as error:  # the unpickler meets any bytes, hence any error
        raise UnsafeCheckpointError(
            f'{name} is not a readable checkpoint ({type(error).__name__}: {error}). '
            'It may be cut off or of another kind; fetch or save it again.'
        ) from error


def _refusal(name: str, reason: str) -> str:
    found = re.search(r'(?:GLOBAL|function|class|module) [`\'"]?([\w.]+)', reason)
    what = f' ({found.group(1)})' if found else ''
    return (
        f'{name} holds more than tensors and plain data{what}: loading it would run '
        'code from the file, so it is refused. Ask for a file of plain tensors, or '
        'make one in a sandbox with torch.save(state_dict). If you trust the author, '
        f'pass --allow-pickle or set {ALLOW_PICKLE_ENV}=1.'
    )


def _pickle_allowed() -> bool:
    return os.environ.get(ALLOW_PICKLE_ENV, '0').lower() in _TRUE


def _buffer_attribute(owner: Any, name: str) -> Any:
    """Stands in for ``getattr`` in checkpoints that stock mmengine saved."""
    if owner is not HistoryBuffer or name not in _BUFFER_METHODS:
        raise UnpicklingError(f'Unsupported GLOBAL builtins.getattr of {name!r}')
    return getattr(HistoryBuffer, name)


def _safe_globals() -> list[Any]:
    """What stock mmengine puts into a checkpoint besides tensors.

    mmengine's own list admits ``getattr`` itself; ours admits the four statistics
    of a history buffer under that name.
    """
    dtypes = [
        type(np.dtype(t))
        for t in (
            np.bool_,
            np.uint8,
            np.int32,
            np.uint32,
            np.int64,
            np.float32,
            np.float64,
        )
    ]
    return [
        HistoryBuffer,
        np.ndarray,
        np.dtype,
        *dtypes,
        (multiarray._reconstruct, 'numpy.core.multiarray._reconstruct'),
        (multiarray._reconstruct, 'numpy._core.multiarray._reconstruct'),
        (multiarray.scalar, 'numpy.core.multiarray.scalar'),
        (multiarray.scalar, 'numpy._core.multiarray.scalar'),
        (_buffer_attribute, 'builtins.getattr'),
    ]


def resolve_url(filename: str) -> str | None:
    """The http address behind a name, or ``None`` if it isn't one.

    Args:
        filename: ``http(s)://``, ``torchvision://NAME``, ``open-mmlab://NAME``,
            ``mmcls://NAME``, or anything else.

    Raises:
        FileNotFoundError: if mmengine's or torchvision's list has no such name.
    """
    if filename.startswith(('http://', 'https://')):
        return filename
    scheme, _, name = filename.partition('://')
    tables = {
        'torchvision': mm_checkpoint.get_torchvision_models,
        'modelzoo': mm_checkpoint.get_torchvision_models,
        'open-mmlab': mm_checkpoint.get_external_models,
        'openmmlab': mm_checkpoint.get_external_models,
        'mmcls': mm_checkpoint.get_mmcls_models,
    }
    if scheme not in tables:
        return None
    known = tables[scheme]()
    if name not in known:
        raise FileNotFoundError(f'{filename}: no weights of that name are listed.')
    return known[name]


def _stored_or_downloaded(url: str) -> str:
    stored = stored_weights(url)
    if stored is None:
        return _download(url)
    check_hash(stored)
    announce_stored(stored, url)
    return str(stored)


def _cached_path(url: str) -> str:
    """Where torch's cache has, or gets, the file of an address.

    The cache knows files by their last name alone. A name with a hash is one file's;
    of the others, ``NAME.url`` beside the file says whose it is, and a second address
    with that name has a folder of its own.
    """
    folder, address = (
        osp.join(torch.hub.get_dir(), 'checkpoints'),
        url.partition('?')[0],
    )
    path = osp.join(folder, osp.basename(address))
    note = Path(f'{path}.url')
    if hash_in_name(path) or not note.is_file() or note.read_text() == address:
        return path
    own = hashlib.sha256(address.encode()).hexdigest()[:16]
    return osp.join(folder, own, osp.basename(address))


def _download(url: str) -> str:
    """Fetch ``url`` into torch's cache once per machine; returns the local path."""
    failure = _fetch_to_cache(url) if _local_rank() == 0 else None
    if get_dist_info()[1] > 1:
        barrier()
    return _cached(url, failure)


def _fetch_to_cache(url: str) -> Exception | None:
    """Fetch what torch's cache lacks; what went wrong, if anything."""
    path = _cached_path(url)
    if not osp.isfile(path):
        try:
            fetch(url, path, hash_in_name(osp.basename(path)))
            write_atomic(url.partition('?')[0].encode(), f'{path}.url')
        except (OSError, UserError) as error:
            return error
    return None


def _cached(url: str, failure: Exception | None) -> str:
    """The file in torch's cache; ConnectionError if there is none."""
    path = _cached_path(url)
    if failure is not None or not osp.isfile(path):
        raise ConnectionError(
            f'{failure or f"{url} can not be fetched"}. Without internet, fetch it '
            f'elsewhere and put it at {path}, or anywhere below ${WEIGHTS_ENV}; or '
            'name a local file (pretrained=FILE in a config, or tools/misc/'
            'new_config.py --pretrained FILE|none).'
        )
    return path


def _fetch(filename: str) -> BinaryIO:
    return io.BytesIO(get_file_backend(filename).get(filename))


def _local_rank() -> int:
    for name in ('LOCAL_RANK', 'OMPI_COMM_WORLD_LOCAL_RANK'):
        if name in os.environ:
            return int(os.environ[name])
    return get_dist_info()[0]


def load_from_checked(filename: str, map_location: Any = None, **_: Any) -> Any:
    """mmengine's loader interface to :func:`load_checkpoint_file`."""
    return load_checkpoint_file(filename, map_location)


def _register_loader() -> None:
    """Put the strict loader behind every prefix that mmengine knows."""
    prefixes = list(OrderedDict.fromkeys([*CheckpointLoader._schemes, '']))
    CheckpointLoader.register_scheme(prefixes, load_from_checked, force=True)


_register_loader()
