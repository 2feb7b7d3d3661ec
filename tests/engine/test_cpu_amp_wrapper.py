# Licensed under Apache-2.0.
from __future__ import annotations

import torch
from torch import nn

from mmwsss.registry import OPTIM_WRAPPERS


def wrapper_of(model: nn.Module):
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    return OPTIM_WRAPPERS.build(dict(type='CPUAmpOptimWrapper', optimizer=sgd))


def test_forward_is_bfloat16_and_weights_stay_float32() -> None:
    model = nn.Linear(4, 2)
    before = model.weight.detach().clone()
    wrapper = wrapper_of(model)
    with wrapper.optim_context(model):
        out = model(torch.ones(3, 4))
    assert out.dtype == torch.bfloat16
    wrapper.update_params(out.float().sum())
    assert model.weight.dtype == torch.float32
    torch.testing.assert_close(model.weight, before - 0.3)


def test_float32_again_outside() -> None:
    model = nn.Linear(4, 2)
    with wrapper_of(model).optim_context(model):
        pass
    assert model(torch.ones(3, 4)).dtype == torch.float32
