# Licensed under Apache-2.0.
"""Finding and loading the compiled operators, and saying what was found."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch

from ._build import RECORD, sources_hash

__all__ = ['get_build_info', 'load_compiled']

SWITCH = 'MMWSSS_WITH_OPS'
_PACKAGE = Path(__file__).resolve().parents[1]
_STATE: dict[str, str | None] = dict(file=None, reason='not loaded yet')


def load_compiled() -> None:
    """Load ``mmwsss/_ext*.so`` where it is there and fits.

    ``MMWSSS_WITH_OPS=0`` leaves it alone, ``=1`` makes its absence an error.

    Raises:
        ValueError: The switch has another value than auto, 1 or 0.
        ImportError: ``MMWSSS_WITH_OPS=1`` and it can't be loaded.
    """
    wanted = read_switch()
    if wanted == '0':
        _STATE['reason'] = f'{SWITCH}=0'
        return
    try:
        file = _find()
        torch.ops.load_library(file)
        _STATE.update(file=str(file), reason=None)
    except (ImportError, OSError) as error:
        _STATE['reason'] = str(error)
        if wanted == '1':
            raise ImportError(
                f'{SWITCH}=1, but the compiled operators cannot be used: {error}'
            ) from error
        if not isinstance(error, FileNotFoundError):
            warnings.warn(
                f'the compiled operators of mmwsss are not used: {error}', stacklevel=2
            )


def read_switch() -> str:
    """Value of ``MMWSSS_WITH_OPS``: auto (also when unset), 1 or 0."""
    value = os.environ.get(SWITCH, '') or 'auto'
    if value not in ('auto', '1', '0'):
        raise ValueError(f'{SWITCH} must be auto, 1 or 0, got {value!r}')
    return value


def get_build_info() -> dict[str, Any]:
    """What the operators run on, and what the compiled file was built with.

    Returns:
        ``compiled`` (bool), ``cuda`` (bool), ``reason`` (why not compiled, else
        None), ``file``, and the entries of the build: ``torch``,
        ``cuda_version``, ``arch_list``, ``compiler``, ``registry``, ``sources``.
    """
    compiled = _STATE['file'] is not None
    record = _read_record() if compiled else {}
    cuda = bool(record.get('cuda_version'))
    return dict(compiled=compiled, cuda=cuda, **_STATE, **record)


def _find() -> Path:
    files = sorted(_PACKAGE.glob('_ext*.so'))
    failed = _read_record().get('failed')
    if failed is not None:
        raise ImportError(f'they could not be compiled: {failed}')
    if not files:
        raise FileNotFoundError(
            f'there is no compiled file {_PACKAGE}/_ext*.so; build it with '
            f'{SWITCH}=1 pip install --no-build-isolation -e .'
        )
    built, here = _read_record().get('torch'), torch.__version__
    # The C++ interface of torch differs between its versions and builds.
    if built is not None and built != here:
        raise ImportError(
            f'{files[0].name} was built against torch {built}, this is torch '
            f'{here}; build it again: pip install --no-build-isolation '
            f'--no-cache-dir --force-reinstall --no-deps . in a clone of mmwsss'
        )
    built, here = _read_record().get('sources'), sources_hash()
    if None not in (built, here) and built != here:
        raise ImportError(
            f'{files[0].name} was built from other sources than those in '
            f'{_PACKAGE}/ops/csrc; build it again: {SWITCH}=1 pip install '
            '--no-build-isolation --no-deps -e . in a clone of mmwsss'
        )
    return files[0]


def _read_record() -> dict[str, Any]:
    if not RECORD.exists():
        return {}
    try:
        return json.loads(RECORD.read_text('utf-8'))
    except ValueError as error:
        raise ImportError(f'{RECORD} cannot be read: {error}') from error
