# Licensed under Apache-2.0.
"""Argument checks shared by the operators: fail before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import TypeGuard

import torch
from torch import Tensor

__all__ = [
    'can_inspect',
    'check_dilations',
    'check_features',
    'check_finite',
    'check_images',
    'check_iterations',
    'check_maps',
    'check_memory',
    'check_mode',
    'check_number',
    'check_rows',
    'check_same_device',
    'check_same_size',
    'check_sigma',
    'compute_dtype',
    'describe',
    'free_bytes',
    'is_number',
]


MODES = ('lattice', 'exact')
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
BYTES_PER_ENTRY = 64  # of a lattice while it is built: keys and indices, copied
MAX_RINGS = 16
MAX_ITERATIONS = 1_000_000
MAX_DIM = 11  # with more, even one pixel needs keys of more than 63 bits
MAX_FEATURE = 1 << 18  # beyond, float32 can't tell a pixel's simplex any more
MAX_DILATION = 1 << 15
_FLOAT32 = torch.finfo(torch.float32)
_SMALL_BYTES = 256 << 20  # not worth a look at the free memory


def describe(value: object) -> str:
    """Shape of a tensor, else the type."""
    return str(tuple(value.shape) if isinstance(value, Tensor) else type(value))


def check_maps(name: str, maps: Tensor, batch: int | None = None) -> None:
    """Require a floating (B, C, H, W) tensor without an empty dimension."""
    if not isinstance(maps, Tensor) or maps.dim() != 4:
        raise ValueError(f'{name} must be a (B, C, H, W) tensor, got {describe(maps)}')
    if maps.dtype not in FLOATS:
        raise ValueError(f'{name} must be floating point, got {maps.dtype}')
    _check_shape(name, maps, batch)


def check_images(name: str, images: Tensor, channels: int | None = 3) -> None:
    """Require a uint8 or floating (B, channels, H, W) tensor."""
    if not isinstance(images, Tensor) or images.dim() != 4:
        got = describe(images)
        raise ValueError(f'{name} must be a (B, C, H, W) tensor, got {got}')
    if images.dtype not in (torch.uint8, *FLOATS):
        raise ValueError(f'{name} must be uint8 or floating point, got {images.dtype}')
    _check_shape(name, images, None)
    shape = tuple(images.shape)
    if shape[3] in (3, 4) and shape[1] > 16:
        raise ValueError(
            f'{name} must be (B, C, H, W); {shape} looks like (B, H, W, C): '
            f'{name}.permute(0, 3, 1, 2)'
        )
    if channels is not None and shape[1] != channels:
        raise ValueError(f'{name} must have {channels} channels, got shape {shape}')


def check_features(features: Tensor) -> None:
    """Require floating (B, d, P) features, 1 <= d <= 11, within +-2^18.

    Values only where :func:`can_inspect` allows.
    """
    if not isinstance(features, Tensor) or features.dim() != 3:
        got = describe(features)
        raise ValueError(f'features must be a (B, d, P) tensor, got {got}')
    if features.dtype not in FLOATS:
        raise ValueError(f'features must be floating point, got {features.dtype}')
    _check_shape('features', features, None)
    if features.shape[1] > MAX_DIM:
        raise ValueError(
            f'features may have {MAX_DIM} dimensions, got shape '
            f'{tuple(features.shape)} of (B, d, P)'
        )
    entries = features.shape[0] * (features.shape[2] + 1) * (features.shape[1] + 1)
    if entries >= 2**31:
        raise ValueError(
            f'B * (P + 1) * (d + 1) = {entries} exceeds the 32-bit indices of the '
            f'lattice; use fewer images at a time'
        )
    if not can_inspect(features):
        return
    low, high = (float(value) for value in features.detach().aminmax())
    if not (low >= -MAX_FEATURE and high <= MAX_FEATURE):  # also NaN
        check_finite(features=features)
        raise ValueError(
            f'features must lie within +-{MAX_FEATURE}, got {low:.4g}..{high:.4g}; '
            f'use larger sigmas'
        )


def check_rows(values: Tensor, count: int, like: Tensor) -> None:
    """Require floating (count, C) rows on the device of ``like``."""
    if not isinstance(values, Tensor) or values.dim() != 2 or len(values) != count:
        got = describe(values)
        raise ValueError(f'values must be a ({count}, C) tensor, got {got}')
    if values.dtype not in FLOATS:
        raise ValueError(f'values must be floating point, got {values.dtype}')
    _check_shape('values', values, None)
    check_same_device(lattice=like, values=values)


def _check_shape(name: str, maps: Tensor, batch: int | None) -> None:
    if 0 in maps.shape:
        raise ValueError(f'{name} has an empty dimension: {tuple(maps.shape)}')
    if batch is not None and maps.shape[0] != batch:
        raise ValueError(
            f'{name} has batch size {maps.shape[0]}, but {batch} images were given'
        )


def check_same_device(**tensors: Tensor) -> None:
    """Require all tensors on one device."""
    devices = {name: str(tensor.device) for name, tensor in tensors.items()}
    if len(set(devices.values())) > 1:
        raise ValueError(f'all tensors must be on one device, got {devices}')


def can_inspect(tensor: Tensor) -> bool:
    """Whether values may be read on the host.

    On a GPU that would stall every training step, and under ``torch.compile``
    it would break the graph: there, checks of values are left out.
    """
    plain = type(tensor) in (Tensor, torch.nn.Parameter)  # no fake one
    return plain and tensor.is_cpu and not torch.compiler.is_compiling()


def check_finite(**tensors: Tensor) -> None:
    """Refuse NaN and infinity where :func:`can_inspect` allows."""
    for name, tensor in tensors.items():
        if not can_inspect(tensor) or not tensor.is_floating_point():
            continue
        tensor = tensor.detach()
        # One pass. A sum that overflows is a false alarm: count then.
        if bool(tensor.sum(dtype=compute_dtype(tensor)).isfinite()):
            continue
        bad = int(torch.isfinite(tensor).logical_not().sum())
        if bad:
            raise ValueError(f'{name} holds {bad} NaN or infinite values')


def check_sigma(**sigmas: float) -> None:
    """Require standard deviations > 0 that are finite and normal in float32."""
    for name, sigma in sigmas.items():
        check_number(name, sigma)
        if sigma < _FLOAT32.tiny:
            raise ValueError(f'{name} must be > 0 in float32, got {sigma!r}')


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a real number, Python's or NumPy's."""
    return isinstance(value, Real)


def check_number(name: str, value: float) -> None:
    """Require a number that is finite in float32."""
    # A comparison with NaN is false.
    if not is_number(value) or not abs(value) <= _FLOAT32.max:
        raise ValueError(f'{name} must be a finite number, got {value!r}')


def check_iterations(name: str, value: int) -> None:
    """Require an integer in 0..1000000."""
    integer = isinstance(value, int) and not isinstance(value, bool)
    if not integer or not 0 <= value <= MAX_ITERATIONS:
        raise ValueError(
            f'{name} must be an integer >= 0 (and <= {MAX_ITERATIONS}), got {value!r}'
        )


def check_dilations(dilations: Sequence[int]) -> tuple[int, ...]:
    """Require 1 to 16 integers in 1..32768; gives a tuple."""
    values = tuple(dilations) if isinstance(dilations, Sequence) else ()
    if not 1 <= len(values) <= MAX_RINGS or any(
        isinstance(d, bool) or not isinstance(d, int) or not 1 <= d <= MAX_DILATION
        for d in values
    ):
        raise ValueError(
            f'dilations must be 1 to {MAX_RINGS} integers in 1..{MAX_DILATION}, '
            f'got {dilations!r}'
        )
    return values


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """float64 when any input is float64, else float32 (also for half inputs)."""
    if any(tensor.dtype == torch.float64 for tensor in tensors):
        return torch.float64
    return torch.float32


def check_same_size(image: Tensor, maps: Tensor, name: str, maps_name: str) -> None:
    """Require the same height and width."""
    if image.shape[-2:] != maps.shape[-2:]:
        raise ValueError(
            f'{maps_name} of size {tuple(maps.shape[-2:])} need {name} of the '
            f'same size, got {tuple(image.shape[-2:])}'
        )


def check_mode(mode: str) -> None:
    """Require a known filter mode."""
    if mode not in MODES:
        raise ValueError(f'mode must be one of {MODES}, got {mode!r}')


def check_memory(what: str, needed: int, device: torch.device) -> None:
    """Refuse what doesn't fit into the free memory of the device.

    Args:
        what: Name of what needs it.
        needed: Bytes.
        device: CPU or CUDA device.

    Raises:
        ValueError: There isn't as much.
    """
    if needed < _SMALL_BYTES or torch.compiler.is_compiling():
        return
    free = free_bytes(device)
    if needed > free:
        raise ValueError(
            f'{what} would need {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB '
            f'are free on {device}; use larger sigmas, fewer labels or a smaller image'
        )


def free_bytes(device: torch.device) -> float:
    """Free memory of a device, what PyTorch holds without need included."""
    if device.type == 'cuda':
        held = torch.cuda.memory_reserved(device)
        unused = held - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    try:
        lines = Path('/proc/meminfo').read_text('ascii').splitlines()
        fields = dict(line.split(':', 1) for line in lines)
        return int(fields['MemAvailable'].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux
        return float('inf')
