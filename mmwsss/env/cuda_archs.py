# Licensed under Apache-2.0.
"""Which GPU architectures a compiled library holds code for."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

_MAGIC = struct.pack('<I', 0xBA55ED50)  # starts each "fat binary"
_PTX, _CUBIN = 1, 2


def cuda_archs(library: Path) -> list[str]:
    """List the architectures in the CUDA fat binaries of a shared library.

    Reads the fat binaries' headers, so neither a GPU nor the CUDA toolkit is
    needed (`cuobjdump --list-elf --list-ptx` prints the same).

    Args:
        library: A shared object (`*.so`).

    Returns:
        Sorted names: `sm_90` for machine code, which runs on that major
        version with the same or a higher minor one; `compute_90` for PTX,
        which newer GPUs can translate. Empty for a library without GPU code.
    """
    data = library.read_bytes()
    found = {
        (arch, kind)
        for start in _find_all(data)
        for kind, arch in _entries(data, start)
    }
    names = {_PTX: 'compute', _CUBIN: 'sm'}
    return [f'{names[kind]}_{arch}' for arch, kind in sorted(found)]


def covers(archs: list[str], capability: tuple[int, int]) -> bool:
    """Tell whether code for `archs` runs on a GPU of a compute capability.

    Args:
        archs: Names as `cuda_archs` gives them.
        capability: Major and minor, such as (9, 0).
    """
    wanted = capability[0] * 10 + capability[1]
    for name in archs:
        kind, number = name.split('_')
        arch = int(number)
        if kind == 'compute' and arch <= wanted:
            return True
        if kind == 'sm' and arch // 10 == capability[0] and arch <= wanted:
            return True
    return False


def _find_all(data: bytes) -> Iterator[int]:
    start = data.find(_MAGIC)
    while start >= 0:
        yield start
        start = data.find(_MAGIC, start + 4)


def _entries(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """(kind, arch) of the entries of the fat binary that begins at `start`."""
    if start + 16 > len(data):
        return
    _, version, header, size = struct.unpack_from('<IHHQ', data, start)
    at, end = start + header, start + header + size
    if version != 1 or header != 16 or end > len(data):
        return  # the magic number by chance
    while at + 32 <= end:
        kind, _, entry_header, payload = struct.unpack_from('<HHIQ', data, at)
        (arch,) = struct.unpack_from('<I', data, at + 28)
        if kind in (_PTX, _CUBIN) and 30 <= arch < 200:
            yield kind, arch
        if entry_header == 0:
            return
        at += entry_header + payload
