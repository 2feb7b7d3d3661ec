# Licensed under Apache-2.0.
"""The tensors of a TorchScript archive, read as data: no graph of it is ever run.

``torch.jit.load`` runs what a file says, ``torch.load(weights_only=True)`` refuses such
files. An archive is a zip file whose ``data.pkl`` names modules and tensors, and whose
``data/N`` are the tensors' bytes. The unpickler below knows modules (as plain
dictionaries), tensors and plain values, and nothing else.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .errors import UserError

#: names of storages in a pickle → type of their numbers
STORAGES = dict(
    HalfStorage=torch.float16,
    BFloat16Storage=torch.bfloat16,
    FloatStorage=torch.float32,
    DoubleStorage=torch.float64,
    LongStorage=torch.int64,
    IntStorage=torch.int32,
    ShortStorage=torch.int16,
    CharStorage=torch.int8,
    ByteStorage=torch.uint8,
    BoolStorage=torch.bool,
)
#: of plain numbers, as TorchScript writes them
_LISTS = ('int', 'double', 'bool')


class _Module:
    """A module of the archive: what it holds, by name."""

    def __init__(self) -> None:
        self.parts: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f'a module that is a {type(state).__name__}')
        self.parts = state


class _Storage(NamedTuple):
    """The type of a storage's numbers, as a global of the pickle."""

    dtype: torch.dtype


def is_torchscript(path: str | Path) -> bool:
    """Whether a file is a TorchScript archive, by its content."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith('/constants.pkl') for name in archive.namelist())


def read_torchscript(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a TorchScript archive by their names in the modules.

    Args:
        path: of the file.

    Returns:
        Name → tensor on the CPU, of the type that it has there.

    Raises:
        UserError: if the archive holds anything but modules, tensors and plain values,
            or is cut off.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.endswith('/data.pkl')]
            if len(names) != 1:
                raise pickle.UnpicklingError('no data.pkl')
            root = _Unpickler(archive, names[0]).load()
            if not isinstance(root, _Module):
                raise pickle.UnpicklingError(f'a {type(root).__name__} and no module')
            return dict(_tensors(root, ''))
    # an unpickler meets any bytes, hence any error
    except Exception as error:
        raise UserError(
            f'{path} is refused: a TorchScript archive is read as data, and this one '
            f'holds more than modules, tensors and plain values, or is cut off '
            f'({type(error).__name__}: {error})'
        ) from None


def _tensors(module: _Module, prefix: str) -> list[tuple[str, Tensor]]:
    found: list[tuple[str, Tensor]] = []
    for name, value in module.parts.items():
        if isinstance(value, Tensor):
            found.append((f'{prefix}{name}', value))
        elif isinstance(value, _Module):
            found += _tensors(value, f'{prefix}{name}.')
    return found


class _Unpickler(pickle.Unpickler):
    """Reads modules, tensors, ordered dictionaries and plain values.

    Args:
        archive: opened.
        name: of its ``data.pkl``.
    """

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        super().__init__(io.BytesIO(archive.read(name)))
        self.archive, self.folder = archive, name.removesuffix('data.pkl')
        self.read: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What a name of the pickle stands for; all others are refused."""
        if module.split('.')[0] == '__torch__':
            return _Module
        if module == 'torch' and name in STORAGES:
            return _Storage(STORAGES[name])
        known: dict[tuple[str, str], Any] = {
            ('torch._utils', '_rebuild_tensor_v2'): _rebuild,
            ('collections', 'OrderedDict'): OrderedDict,
            ('torch.jit._pickle', 'restore_type_tag'): lambda value, tag: value,
        }
        known |= {('torch.jit._pickle', f'build_{kind}list'): list for kind in _LISTS}
        if (module, name) not in known:
            raise pickle.UnpicklingError(f'{module}.{name}')
        return known[module, name]

    def persistent_load(self, pid: Any) -> Tensor:
        """A storage, whatever device it was on."""
        kind, storage, key, _, count = pid
        if kind != 'storage' or not isinstance(storage, _Storage):
            raise pickle.UnpicklingError(f'a {kind!r} in the place of a storage')
        if key not in self.read:
            info = self.archive.getinfo(f'{self.folder}data/{key}')
            if info.file_size != count * storage.dtype.itemsize:
                raise pickle.UnpicklingError(f'data/{key} has another size than told')
            data = bytearray(self.archive.read(info))
            self.read[key] = (
                torch.frombuffer(data, dtype=storage.dtype)
                if data
                else torch.empty(0, dtype=storage.dtype)
            )
        return self.read[key]


def _rebuild(
    storage: Tensor, offset: int, size: tuple, stride: tuple, *_: Any
) -> Tensor:
    """The tensor of a storage; torch refuses what lies outside of it."""
    return storage.as_strided(size, stride, offset).clone()
