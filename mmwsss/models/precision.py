# Licensed under Apache-2.0.
"""Numerics that must not depend on mixed precision."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run a function outside autocast, with its half tensors cast to float32.

    float64 stays float64, so that gradients can be checked.
    """

    def cast(value: Any) -> Any:
        half = isinstance(value, Tensor) and value.dtype in (
            torch.float16,
            torch.bfloat16,
        )
        return value.float() if half else value

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        tensors = (v for v in (*args, *kwargs.values()) if isinstance(v, Tensor))
        device = next(tensors).device.type
        with torch.autocast(device, enabled=False):
            return function(*map(cast, args), **{k: cast(v) for k, v in kwargs.items()})

    return wrapped
