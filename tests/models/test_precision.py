# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch

from mmwsss.models.precision import in_float32


@in_float32
def product(a: torch.Tensor, b: torch.Tensor, scale: float = 1) -> torch.Tensor:
    """Doc."""
    return scale * (a @ b)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_tensors_become_float32(dtype) -> None:
    a = torch.randn(3, 3).to(dtype)
    with torch.autocast('cpu', torch.bfloat16):
        out = product(a, b=a, scale=2.0)
    assert out.dtype == torch.float32
    assert torch.equal(out, 2.0 * (a.float() @ a.float()))


def test_autocast_is_off_inside_and_on_again_after() -> None:
    a = torch.randn(3, 3)
    with torch.autocast('cpu', torch.bfloat16):
        assert product(a, a).dtype == torch.float32
        assert (a @ a).dtype == torch.bfloat16


def test_float64_and_integers_stay() -> None:
    a = torch.randn(3, 3, dtype=torch.float64)
    assert product(a, a).dtype == torch.float64
    assert product(torch.eye(3).long(), torch.eye(3).long()).dtype == torch.long


def test_gradient_reaches_the_half_tensor() -> None:
    a = torch.randn(3, 3).bfloat16().requires_grad_()
    product(a, a).sum().backward()
    assert a.grad.dtype == torch.bfloat16 and a.grad.any()


def test_keeps_name_and_docs() -> None:
    assert product.__name__ == 'product' and product.__doc__ == 'Doc.'
