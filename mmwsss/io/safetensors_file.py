# Licensed under Apache-2.0.
"""The tensors of a safetensors file: a JSON header, then plain numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch import Tensor

from .errors import UserError

_TYPES = dict(
    F16=torch.float16,
    BF16=torch.bfloat16,
    F32=torch.float32,
    F64=torch.float64,
    I64=torch.int64,
    I32=torch.int32,
    I16=torch.int16,
    I8=torch.int8,
    U8=torch.uint8,
    BOOL=torch.bool,
)
#: bytes before the header
_LENGTH = 8


def is_safetensors(path: str | Path) -> bool:
    """Whether a file is one, by its content."""
    with open(path, 'rb') as file:
        begin = file.read(_LENGTH + 1)
    return len(begin) > _LENGTH and begin[_LENGTH:] == b'{'


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name.

    Raises:
        UserError: if it is cut off or of another kind.
    """
    data = bytearray(Path(path).read_bytes())
    try:
        length = int.from_bytes(data[:_LENGTH], 'little')
        header = json.loads(bytes(data[_LENGTH : _LENGTH + length]))
        header.pop('__metadata__', None)
        begin = _LENGTH + length
        return {name: _tensor(data, begin, one) for name, one in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise UserError(
            f'{path} is no readable safetensors file ({type(error).__name__}: '
            f'{error}): fetch it again'
        ) from None


def _tensor(data: bytearray, begin: int, told: dict) -> Tensor:
    dtype, shape = _TYPES[told['dtype']], tuple(told['shape'])
    first, last = told['data_offsets']
    count = math.prod(shape)
    if (last - first) != count * dtype.itemsize or begin + last > len(data):
        raise ValueError(f'{shape} does not fit {last - first} bytes')
    if not count:
        return torch.zeros(shape, dtype=dtype)
    flat = torch.frombuffer(data, dtype=torch.uint8)[begin + first : begin + last]
    return flat.clone().view(dtype).reshape(shape)
