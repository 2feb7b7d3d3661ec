# Licensed under Apache-2.0.
"""The reader of MXNet's files, on files written in the documented layout."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from mmwsss.io.mxnet_params import is_mxnet_params, read_mxnet_params

V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
FLAGS = ('float32', 'float64', 'float16', 'uint8', 'int32', 'int8', 'int64')


def one(array: np.ndarray, version: int | None, storage: int = 0) -> bytes:
    """An array as each version of MXNet wrote it (None: the oldest)."""
    wide = version is not None
    head = b'' if version is None else struct.pack('<I', version)
    if version in (V2, V3):
        head += struct.pack('<i', storage)
    shape = struct.pack(
        f'<I{array.ndim}{"q" if wide else "I"}', array.ndim, *array.shape
    )
    device = struct.pack('<ii', 1, 0)
    flag = struct.pack('<i', FLAGS.index(array.dtype.name))
    return head + shape + device + flag + array.tobytes()


def container(
    arrays: dict[str, np.ndarray],
    version: int | None = V2,
    names: list[bytes] | None = None,
) -> bytes:
    """A list of arrays with their names."""
    names = [k.encode() for k in arrays] if names is None else names
    body = struct.pack('<QQQ', 0x112, 0, len(arrays))
    body += b''.join(one(value, version) for value in arrays.values())
    body += struct.pack('<Q', len(names))
    return body + b''.join(struct.pack('<Q', len(name)) + name for name in names)


def read(tmp_path, content: bytes) -> dict[str, np.ndarray]:
    path = tmp_path / 'some-0001.params'
    path.write_bytes(content)
    return read_mxnet_params(path)


ARRAYS = {
    'arg:conv1a_weight': np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    'aux:bn7_moving_var': np.array([0.5, 1.5]),
    'plain': np.array([[7]], np.int64),
    'arg:half': np.array([1.5, -2], np.float16),
    'arg:byte': np.zeros(3, np.uint8),
}


@pytest.mark.parametrize('version', [None, V1, V2, V3])
def test_all_versions(tmp_path, version) -> None:
    got = read(tmp_path, container(ARRAYS, version))
    assert list(got) == ['conv1a_weight', 'bn7_moving_var', 'plain', 'half', 'byte']
    for ours, theirs in zip(got.values(), ARRAYS.values(), strict=True):
        assert ours.dtype == theirs.dtype and ours.flags.writeable
        np.testing.assert_array_equal(ours, theirs)
    assert is_mxnet_params(tmp_path / 'some-0001.params')


def test_an_array_without_values_is_left_out(tmp_path) -> None:
    empty = struct.pack('<QQQ', 0x112, 0, 1) + struct.pack('<IiI', V2, 0, 0)
    empty += struct.pack('<QQ', 1, 4) + b'none'
    assert read(tmp_path, empty) == {}


def test_every_cut_is_noticed(tmp_path) -> None:
    whole = container(ARRAYS)
    for length in range(0, len(whole), 5):
        with pytest.raises(
            ValueError,
            match=r'0001\.params is not a whole MXNet .*'
            'Fix: fetch it again',
        ):
            read(tmp_path, whole[:length])


def test_flipped_bytes_never_ask_for_more_than_the_file(tmp_path) -> None:
    """Any damage is an error or other values, quickly and in little memory."""
    whole, rng = container(ARRAYS), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(256)
        try:
            got = read(tmp_path, bytes(damaged))
        except ValueError as error:
            assert 'not a whole MXNet' in str(error)
        else:
            assert sum(a.nbytes for a in got.values()) < len(whole)


@pytest.mark.parametrize(
    'content, message',
    [
        (b'PK\x03\x04' + bytes(40), 'begins otherwise'),
        (struct.pack('<QQQ', 0x112, 0, 2**60), 'entries are announced'),
        (
            struct.pack('<QQQ', 0x112, 0, 1) + struct.pack('<Ii', V2, 1),
            'a sparse array',
        ),
        (
            struct.pack('<QQQ', 0x112, 0, 1) + struct.pack('<IiI', V2, 0, 99),
            'an array of rank 99',
        ),
        (
            struct.pack('<QQQ', 0x112, 0, 1)
            + struct.pack('<IiIqiii', V2, 0, 1, -4, 1, 0, 0),
            'shape \\(-4,\\)',
        ),
        (
            struct.pack('<QQQ', 0x112, 0, 1)
            + struct.pack('<IiIqiii', V2, 0, 1, 4, 1, 0, 9),
            'type 9',
        ),
        (
            container({'a': np.zeros(2, np.float32)}, names=[b'a', b'b']),
            '2 names for 1',
        ),
        (container({'a': np.zeros(2, np.float32)}, names=[b'\xff\xfe']), 'no text'),
        (container({'a': np.zeros(2, np.float32)}) + b'x', '1 bytes left'),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content)
