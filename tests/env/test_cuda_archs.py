# Licensed under Apache-2.0.
from __future__ import annotations

import struct
from pathlib import Path

import pytest

from mmwsss.env.cuda_archs import covers, cuda_archs

PTX, CUBIN = 1, 2


def fat_binary(*entries: tuple[int, int]) -> bytes:
    """A fat binary as nvcc lays it out: a header, then headed payloads."""
    body = b''
    for kind, arch in entries:
        payload = b'\x7f' * 48
        head = struct.pack('<HHIQ', kind, 0x0101, 64, len(payload))
        body += (head + bytes(12) + struct.pack('<I', arch)).ljust(64, b'\0') + payload
    return struct.pack('<IHHQ', 0xBA55ED50, 1, 16, len(body)) + body


def test_lists_machine_code_and_ptx(tmp_path: Path):
    library = tmp_path / '_ext.so'
    library.write_bytes(
        b'\x7fELF' + bytes(100)
        + fat_binary((CUBIN, 80), (CUBIN, 90)) + bytes(32)
        + fat_binary((CUBIN, 80), (PTX, 90))
    )  # fmt: skip
    assert cuda_archs(library) == ['sm_80', 'compute_90', 'sm_90']


@pytest.mark.parametrize(
    'content',
    [b'', b'no gpu code', struct.pack('<I', 0xBA55ED50) + b'\xff' * 40],
)
def test_nothing_in_a_plain_library(tmp_path: Path, content: bytes):
    library = tmp_path / '_ext.so'
    library.write_bytes(content)
    assert cuda_archs(library) == []


def test_library_cut_short_is_no_error(tmp_path: Path):
    library = tmp_path / '_ext.so'
    library.write_bytes(fat_binary((CUBIN, 80))[:20])
    assert cuda_archs(library) == []
    library.write_bytes(struct.pack('<I', 0xBA55ED50))
    assert cuda_archs(library) == []


@pytest.mark.parametrize(
    ('archs', 'capability', 'expected'),
    [
        (['sm_80'], (8, 6), True),  # same major version, higher minor one
        (['sm_86'], (8, 0), False),
        (['sm_80'], (9, 0), False),
        (['compute_80'], (12, 0), True),  # PTX is translated
        (['compute_90'], (8, 0), False),
        ([], (9, 0), False),
    ],
)
def test_covers(archs, capability, expected):
    assert covers(archs, capability) is expected


def test_agrees_with_torchvision():
    torch = pytest.importorskip('torch')
    torchvision = pytest.importorskip('torchvision')
    flags = torch._C._cuda_getArchFlags() if torch.version.cuda else None
    library = next(Path(torchvision.__file__).parent.glob('_C*.so'), None)
    if not flags or library is None:
        pytest.skip('a CPU build')
    # torchvision adds PTX of the newest one
    assert {a for a in cuda_archs(library) if a.startswith('sm')} == {
        flag for flag in flags.split() if flag.startswith('sm')
    }
