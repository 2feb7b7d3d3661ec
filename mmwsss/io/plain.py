# Licensed under Apache-2.0.
"""Checkpoints as plain data: tensors, numbers, strings and containers of them.

A file made of these alone loads without running any pickled code. mmengine's
message hub keeps ``HistoryBuffer`` objects and numpy scalars; they are written
as dictionaries of tensors and rebuilt after loading.
"""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

_BUFFER_KEY = 'history_buffer_v1'
_ATOMS = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    torch.Size,
    torch.dtype,
    torch.device,
)


def to_plain(obj: Any, where: str = 'checkpoint') -> Any:
    """Rewrite ``obj`` with nothing but plain data.

    Args:
        obj: Nested containers of numbers, strings, arrays, tensors and history
            buffers. Mappings become ``dict`` (an ``OrderedDict`` with its
            ``_metadata``, as a state dict has, stays one); numpy scalars become
            Python numbers, numpy arrays become tensors.
        where: Name of ``obj`` for the error message.

    Returns:
        The same data as plain types; tensors are shared, not copied.

    Raises:
        TypeError: A value has another type. The message names its place.
    """
    if type(obj) in _ATOMS:
        return obj
    if isinstance(obj, torch.Tensor):
        return obj.detach()
    if isinstance(obj, HistoryBuffer):
        return _plain_buffer(obj)
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, np.ndarray) and obj.dtype.kind in 'biufc':
        return torch.from_numpy(np.ascontiguousarray(obj))
    if isinstance(obj, np.ndarray):
        return to_plain(obj.tolist(), where)
    if isinstance(obj, os.PathLike):
        return os.fspath(obj)
    if isinstance(obj, (bool, int, float, str)):  # subclasses, e.g. enums
        return _base_value(obj)
    return _plain_container(obj, where)


def _base_value(obj: bool | int | float | str) -> bool | int | float | str:
    """Strip a subclass of a number or string to its base type."""
    for base in (bool, int, float, str):
        if isinstance(obj, base):
            return base(obj)
    raise TypeError(f'not a plain value: {obj!r}')


def _plain_container(obj: Any, where: str) -> Any:
    if isinstance(obj, Mapping):
        items = [
            (to_plain(k, f'key of {where}'), to_plain(v, f'{where}.{k}'))
            for k, v in obj.items()
        ]
        if not isinstance(obj, OrderedDict):
            return dict(items)
        plain = OrderedDict(items)
        if hasattr(obj, '_metadata'):
            # torch hangs the versions of the layers on a state dict
            metadata = to_plain(dict(obj._metadata), f'{where}._metadata')
            plain._metadata = metadata  # type: ignore[attr-defined]
        return plain
    if isinstance(obj, (list, tuple, deque)):
        values = [to_plain(v, f'{where}[{i}]') for i, v in enumerate(obj)]
        return tuple(values) if isinstance(obj, tuple) else values
    if isinstance(obj, (set, frozenset)):
        return {to_plain(v, where) for v in obj}
    raise TypeError(
        f'{where} is a {type(obj).__module__}.{type(obj).__qualname__}, which a '
        'checkpoint without pickled code cannot hold. Store numbers, strings, '
        'tensors, or lists and dictionaries of them.'
    )


def _plain_buffer(buffer: HistoryBuffer) -> dict[str, Any]:
    log, count = buffer.data
    return {
        _BUFFER_KEY: True,
        'max_length': int(buffer.max_length),
        'log': torch.from_numpy(np.ascontiguousarray(log)),
        'count': torch.from_numpy(np.ascontiguousarray(count)),
    }


def restore_message_hub(state: dict[str, Any]) -> dict[str, Any]:
    """Rebuild the history buffers of a plain message-hub state.

    Args:
        state: What :func:`to_plain` made of ``MessageHub.state_dict()``; a state
            that holds ``HistoryBuffer`` objects already passes unchanged.

    Returns:
        A state that ``MessageHub.load_state_dict`` accepts.
    """
    scalars = OrderedDict()
    for name, value in state.get('log_scalars', {}).items():
        if isinstance(value, dict) and value.get(_BUFFER_KEY):
            value = HistoryBuffer(
                value['log'].cpu().numpy(),
                value['count'].cpu().numpy(),
                value['max_length'],
            )
        scalars[name] = value
    return {**state, 'log_scalars': scalars}
