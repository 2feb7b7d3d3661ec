# Licensed under Apache-2.0.
"""The operators as PyTorch knows them: one schema, several implementations.

Here every operator gets its schema, its form in PyTorch (``_fallback``, for any
device), its output shapes for the compiler, its gradient and its rule under
autocast. The compiled file, where there is one, adds the keys CPU and CUDA.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from mmwsss.ops import _composite, _fallback

from ._loader import load_compiled

__all__ = ['kernels', 'python_forms']

kernels = torch.ops.mmwsss

_LATTICE = (
    'Tensor vertices, Tensor slice_weights, Tensor splat_pixels, '
    'Tensor splat_weights, Tensor splat_offsets, Tensor neighbours'
)
SCHEMAS = {
    'par_affinity': '(Tensor image, int[] dilations, float w1, float w2) -> Tensor',
    'propagate': (
        '(Tensor weights, Tensor maps, int[] offsets, int num_iters) -> Tensor'
    ),
    'propagate_backward': (
        '(Tensor grad, Tensor weights, Tensor maps, int[] offsets, int num_iters) '
        '-> (Tensor, Tensor)'
    ),
    'lattice_build': (
        '(Tensor features, bool exact_size, bool with_origin) '
        '-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)'
    ),
    'lattice_filter': f'({_LATTICE}, Tensor values, bool reverse) -> Tensor',
    'mean_field': (
        '(Tensor unary, Tensor[] lattices, Tensor[] compats, int iter_max, '
        'Tensor? log_count) -> Tensor'
    ),
    'bilateral': '(Tensor features, Tensor values, bool reverse) -> Tensor',
    'dense_crf': (
        '(Tensor images, Tensor unary, float[] stds, Tensor[] features, '
        'float[] weights, Tensor[] compats, int iter_max, Tensor? log_count, '
        'bool exact, bool pad_block) -> Tensor'
    ),
}

_LIBRARY = torch.library.Library('mmwsss', 'DEF')


# --- shapes of the outputs -----------------------------------------------------
def _fake_par_affinity(
    image: Tensor, dilations: list[int], w1: float, w2: float
) -> Tensor:
    batch, _, height, width = image.shape
    return image.new_empty(batch, 8 * len(dilations), height, width)


def _fake_lattice_build(
    features: Tensor, exact_size: bool, with_origin: bool
) -> tuple[Tensor, ...]:
    batch, dim, pixels = features.shape
    entries = batch * (pixels + int(with_origin)) * (dim + 1)
    # M + 1; an unknown size must be the whole size of an output.
    size = torch.library.get_ctx().new_dynamic_size() if exact_size else entries + 1
    index = features.new_empty(entries, dtype=torch.int32)
    weight = features.new_empty(entries)
    return (
        index.new_empty(batch * pixels, dim + 1),
        weight.new_empty(batch * pixels, dim + 1),
        index,
        weight,
        index.new_empty(size),
        index.new_empty(dim + 1, size, 2),
    )


def _contiguous_like(tensor: Tensor) -> Tensor:
    return torch.empty_like(tensor, memory_format=torch.contiguous_format)


_FAKES = {
    'par_affinity': _fake_par_affinity,
    'propagate': lambda weights, maps, *_: _contiguous_like(maps),
    'propagate_backward': lambda grad, weights, maps, *_: (
        _contiguous_like(weights),
        _contiguous_like(maps),
    ),
    'lattice_build': _fake_lattice_build,
    'lattice_filter': lambda *args: _contiguous_like(args[6]),
    'mean_field': lambda unary, *_: _contiguous_like(unary),
    'bilateral': lambda features, values, reverse: _contiguous_like(values),
    'dense_crf': lambda images, unary, *_: _contiguous_like(unary),
}


# --- gradients -------------------------------------------------------------------
def _save_propagate(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])
    ctx.settings = inputs[2:]


def _propagate_backward(ctx: Any, grad: Tensor) -> tuple:
    grads = kernels.propagate_backward(
        grad.contiguous(), *ctx.saved_tensors, *ctx.settings
    )
    return *grads, None, None


def _no_second_gradient(ctx: Any, *grads: Tensor) -> tuple:
    raise RuntimeError('par_propagate has no second derivative')


def _save_filter(ctx: Any, inputs: tuple, output: Tensor) -> None:
    *lattice, _, ctx.reverse = inputs
    ctx.save_for_backward(*lattice)


def _filter_backward(ctx: Any, grad: Tensor) -> tuple:
    # The transpose of the filter is the filter with the blur order reversed.
    grad = kernels.lattice_filter(
        *ctx.saved_tensors, grad.contiguous(), not ctx.reverse
    )
    return *[None] * 6, grad, None


def _save_bilateral(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.reverse = inputs[2]


def _bilateral_backward(ctx: Any, grad: Tensor) -> tuple:
    (features,) = ctx.saved_tensors
    return None, kernels.bilateral(features, grad.contiguous(), not ctx.reverse), None


_GRADIENTS = {
    'propagate': (_propagate_backward, _save_propagate),
    'propagate_backward': (_no_second_gradient, lambda ctx, inputs, output: None),
    'lattice_filter': (_filter_backward, _save_filter),
    'bilateral': (_bilateral_backward, _save_bilateral),
}


# --- registration ------------------------------------------------------------------
def _implementation(name: str) -> Any:
    return getattr(_fallback, name, None) or getattr(_composite, name)


def _register(name: str, schema: str) -> None:
    qualified = f'mmwsss::{name}'
    _LIBRARY.define(name + schema)
    _LIBRARY.impl(name, _implementation(name), 'CompositeExplicitAutograd')
    torch.library.register_fake(qualified, _FAKES[name], lib=_LIBRARY)
    if name in _GRADIENTS:
        backward, setup = _GRADIENTS[name]
        torch.library.register_autograd(
            qualified, backward, setup_context=setup, lib=_LIBRARY
        )
    for device in ('cpu', 'cuda'):
        torch.library.register_autocast(qualified, device, torch.float32, lib=_LIBRARY)


for _name, _schema in SCHEMAS.items():
    _register(_name, _schema)
load_compiled()


class _PythonForms(TorchDispatchMode):
    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func.namespace != 'mmwsss':
            return func(*args, **(kwargs or {}))
        name = func._schema.name.split('::')[1]
        if hasattr(_fallback, name):
            return getattr(_fallback, name)(*args, **(kwargs or {}))
        with self:
            return getattr(_composite, name)(*args, **(kwargs or {}))


@contextmanager
def python_forms() -> Iterator[None]:
    """Within it, operators run in PyTorch even where they are compiled."""
    _composite.forget_lattices()
    try:
        with _PythonForms():
            yield
    finally:
        _composite.forget_lattices()
