# Licensed under Apache-2.0.
"""A reader of MXNet's parameter files (``.params``) that needs no MXNet.

The container, little endian (``NDArray::Save`` of Apache MXNet)::

    u64 0x112, u64 reserved, u64 count, arrays, u64 count, names
    name:   u64 length, bytes
    array:  V2, V3: u32 magic, i32 storage (0 = dense), shape, device, type, values
            V1:     u32 magic, shape, device, type, values
            oldest: u32 rank, u32 * rank, device, type, values
    shape:  u32 rank, i64 * rank      device: i32 kind, i32 number
    type:   i32, index into DTYPES    an array of rank 0 ends after its shape

Every length is checked against what is left of the file before anything is read, so
that a broken or malicious file can't ask for memory or run code.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

LIST_MAGIC = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DTYPES = ('<f4', '<f8', '<f2', 'u1', '<i4', 'i1', '<i8')
MAX_RANK = 32


class _Reader:
    """Numbers and arrays from bytes, from front to back."""

    def __init__(self, content: bytes, name: str) -> None:
        self.content, self.name, self.at = content, name, 0

    def fail(self, problem: str) -> ValueError:
        return ValueError(
            f'{self.name} is not a whole MXNet parameter file: {problem} at byte '
            f'{self.at}. Fix: fetch it again'
        )

    def take(self, size: int) -> bytes:
        if size < 0 or size > len(self.content) - self.at:
            raise self.fail(
                f'{size} bytes are asked for, {len(self.content) - self.at} are left'
            )
        self.at += size
        return self.content[self.at - size : self.at]

    def number(self, kind: str) -> int:
        return struct.unpack(f'<{kind}', self.take(struct.calcsize(f'<{kind}')))[0]

    def shape(self, rank: int, kind: str) -> tuple[int, ...]:
        if rank > MAX_RANK:
            raise self.fail(f'an array of rank {rank}')
        width = struct.calcsize(f'<{kind}')
        return struct.unpack(f'<{rank}{kind}', self.take(rank * width))

    def array(self) -> np.ndarray | None:
        magic = self.number('I')
        if magic in (V2, V3) and self.number('i') != 0:
            raise self.fail('a sparse array')
        modern = magic in (V1, V2, V3)
        rank = self.number('I') if modern else magic
        shape = self.shape(rank, 'q' if modern else 'I')
        if not rank:
            return None
        self.take(8)  # the device it lay on
        flag = self.number('i')
        if not 0 <= flag < len(DTYPES) or min(shape) < 0:
            raise self.fail(f'an array of type {flag} and shape {shape}')
        dtype = np.dtype(DTYPES[flag])
        values = self.take(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(values, dtype).reshape(shape).copy()

    def count(self, smallest: int) -> int:
        """How many entries of at least ``smallest`` bytes follow."""
        number = self.number('Q')
        if number * smallest > len(self.content) - self.at:
            raise self.fail(f'{number} entries are announced')
        return number


def is_mxnet_params(path: str | Path) -> bool:
    """Whether the file begins as an MXNet parameter file does."""
    with open(path, 'rb') as file:
        return file.read(8) == struct.pack('<Q', LIST_MAGIC)


def read_mxnet_params(path: str | Path) -> dict[str, np.ndarray]:
    """The named arrays of an MXNet parameter file, without the ``arg:``, ``aux:``.

    Args:
        path: the file.

    Raises:
        ValueError: naming the file and the place, if it isn't one or is cut off.
    """
    reader = _Reader(Path(path).read_bytes(), str(path))
    if reader.number('Q') != LIST_MAGIC:
        raise reader.fail('it begins otherwise')
    reader.number('Q')
    arrays = [reader.array() for _ in range(reader.count(4))]
    names = [reader.take(reader.number('Q')) for _ in range(reader.count(8))]
    if len(names) != len(arrays) or reader.at != len(reader.content):
        raise reader.fail(
            f'{len(names)} names for {len(arrays)} arrays, '
            f'{len(reader.content) - reader.at} bytes left'
        )
    try:
        texts = [name.decode().split(':', 1)[-1] for name in names]
    except UnicodeDecodeError as error:
        raise reader.fail(f'a name that is no text ({error})') from error
    return {k: v for k, v in zip(texts, arrays, strict=True) if v is not None}
