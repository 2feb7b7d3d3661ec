# Licensed under Apache-2.0.
"""The CUDA sources of the lattice, compiled without nvcc: loops on the CPU."""

from __future__ import annotations

import ctypes

import torch

__all__ = ['TYPES', 'EmulatedLattice']

TYPES = {torch.float32: 'float', torch.float64: 'double'}


def pointer(tensor):
    return ctypes.c_void_p(tensor.data_ptr())


def longs(*numbers):
    return (ctypes.c_int64 * max(1, len(numbers)))(*numbers)


def uninitialised(*shape, dtype=torch.uint8):
    """Bytes of ones: NaN, and indices that lie outside of everything."""
    tensor = torch.empty(shape, dtype=dtype)
    tensor.view(-1).view(torch.uint8).fill_(255)
    return tensor


class EmulatedLattice:
    """The steps of the glue, on the CPU."""

    def __init__(self, library):
        self.library = library
        for name in ('build_bytes', 'layout_state', 'layout_vertices'):
            getattr(library, name).restype = ctypes.c_int64
        for name in TYPES.values():
            getattr(library, f'filter_bytes_{name}').restype = ctypes.c_int64
            getattr(library, f'mean_field_bytes_{name}').restype = ctypes.c_int64

    def call(self, name, *args):
        args = [ctypes.c_int64(a) if isinstance(a, int) else a for a in args]
        return getattr(self.library, name)(*args)

    def build(self, features, exact_size, with_origin=False):
        """Six tensors and the state."""
        batch, dim, pixels = features.shape
        size = longs(batch, pixels, dim, int(with_origin))
        entries = batch * (pixels + with_origin) * (dim + 1)
        index = torch.int32
        workspace = uninitialised(self.call('build_bytes', size))
        memory = pointer(workspace)
        slice_weights = uninitialised(batch * pixels, dim + 1, dtype=torch.float32)
        current = ctypes.c_int()
        args = pointer(slice_weights), memory, ctypes.byref(current)
        assert self.call('build_start', pointer(features), size, *args) == 0
        state = self.call('layout_state', memory)
        self.ranges = [self.range(memory, j) for j in range(dim)]
        rows = self.call('layout_vertices', memory) if exact_size else entries
        lattice = (
            uninitialised(batch * pixels, dim + 1, dtype=index),
            slice_weights,
            uninitialised(entries, dtype=index),
            uninitialised(entries, dtype=torch.float32),
            uninitialised(rows + 1, dtype=index),
            uninitialised(dim + 1, rows + 1, 2, dtype=index),
        )
        outputs = [pointer(tensor) for tensor in lattice]
        assert self.call('build_finish', size, current, memory, rows, *outputs) == 0
        return lattice, state

    def range(self, memory, coordinate):
        result = longs(0, 0)
        self.call('layout_range', memory, coordinate, result)
        return result[0], result[1]

    def split(self, i, columns):
        result = longs(0, 0)
        self.call('split_element', i, columns, result)
        return result[0], result[1]

    @staticmethod
    def view(lattice):
        pixels, axes = lattice[0].shape
        numbers = [pixels, len(lattice[4]) - 1, len(lattice[2]), axes]
        return [*numbers, *(tensor.data_ptr() for tensor in lattice)]

    def filter(self, lattice, values, reverse=False):
        name, channels = TYPES[values.dtype], values.shape[1]
        view = longs(*self.view(lattice), 0, 0)
        workspace = uninitialised(self.call(f'filter_bytes_{name}', view, channels))
        out = uninitialised(*values.shape, dtype=values.dtype)
        args = int(reverse), pointer(workspace), pointer(out)
        done = self.call(f'filter_{name}', view, pointer(values), channels, *args)
        assert done == 0
        return out

    def mean_field(self, unary, lattices, compats, iter_max, log_count):
        name = TYPES[unary.dtype]
        batch, labels, height, width = unary.shape
        size = longs(batch, labels, height * width, iter_max)
        numbers = []
        for lattice, compat in zip(lattices, compats):
            kind = 0 if compat.numel() == 0 else compat.dim()
            numbers += [*self.view(lattice), compat.data_ptr(), kind]
        terms, count = longs(*numbers), len(lattices)
        workspace = uninitialised(
            self.call(f'mean_field_bytes_{name}', size, terms, count)
        )
        out = uninitialised(*unary.shape, dtype=unary.dtype)
        counts = None if log_count is None else pointer(log_count)
        args = pointer(unary), counts, pointer(workspace), pointer(out)
        assert self.call(f'mean_field_{name}', size, terms, count, *args) == 0
        return out
