# Licensed under Apache-2.0.
"""Find places where a GPU would make the host wait, on a CPU.

Reading a value (``.item()``, ``if tensor``), counting (``nonzero``, ``unique``,
indexing with a mask) and copying a Python list to the device all stall a training step.
On a CPU they cost nothing, but they are the same operators, so a dispatch mode can
refuse them.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmwsss.ops import PermutohedralLattice, python_forms

_REFUSED = {
    f'aten::{name}'
    for name in (
        '_local_scalar_dense',
        'item',
        'is_nonzero',
        'nonzero',
        'nonzero_numpy',
        'masked_select',
        'equal',
        'unique_dim',
        'unique_consecutive',
        '_unique',
        '_unique2',
        'bincount',
        'histc',
        'multinomial',
    )
}
_INDEXING = {
    'aten::index',
    'aten::index_put',
    'aten::index_put_',
    'aten::_index_put_impl_',
}


class HostSyncError(AssertionError):
    """An operator that waits for the device."""


class NoHostSync(TorchDispatchMode):
    """Refuse operators that would synchronise."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name
        if name in _REFUSED:
            raise HostSyncError(f'{name} waits for the device')
        # From a Python list: a blocking copy. (A single number is a fill on a GPU.)
        if name == 'aten::lift_fresh' and args[0].dim():
            raise HostSyncError('a tensor made from a Python list waits for the device')
        if name in _INDEXING and any(
            index is not None and index.dtype in (torch.bool, torch.uint8)
            for index in args[1]
        ):
            raise HostSyncError(f'{name} with a mask waits for the device')
        return func(*args, **(kwargs or {}))

    @classmethod
    @contextlib.contextmanager
    def patched(cls, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Within it, the operators of mmwsss take the way they take on a GPU.

        On a CPU they look at values (NaN, ranges) and count the lattice's vertices;
        on a GPU both are left out, so here too.
        """
        for module in [m for n, m in sys.modules.items() if n.startswith('mmwsss.ops')]:
            if hasattr(module, 'can_inspect'):
                monkeypatch.setattr(module, 'can_inspect', lambda tensor: False)
        build = PermutohedralLattice.build
        monkeypatch.setattr(
            PermutohedralLattice,
            'build',
            lambda features, **_: build(features, exact_size=False),
        )
        # Inside a compiled operator nothing could be seen.
        with cls(), python_forms():
            yield
