# Licensed under Apache-2.0.
"""Two gloo processes: WeCLIP's own step again, and a step on halves of a batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mmwsss.testing import build, gradients, step, total
from mmwsss.testing.tiny_batches import train_batch
from mmwsss.testing.training_steps import at
from tests.goldens.conftest import load_golden
from tests.goldens.test_weclip_train_step import follow
from tests.helpers.processes import in_processes
from tests.helpers.weclip_configs import BEGIN, weclip_config

HALVES = ((0, 1), (2, 3))
Grads = dict[str, Tensor]


def own_steps(rank: int) -> bool:
    """The reference's iterations; both processes have its batch."""
    data = load_golden('weclip_train_step')
    for phase in ('before', 'after'):
        with pytest.MonkeyPatch.context() as patch:
            follow(data, phase, patch, distributed)
    return True


def distributed(model: nn.Module) -> nn.Module:
    """As a runner wraps it on a CPU."""
    return DistributedDataParallel(model, broadcast_buffers=False)


def network() -> nn.Module:
    """Without dropout, whose draws differ between processes."""
    model = build(weclip_config('weclip-plus_vit-b'))
    model.decode_head.dropout = None
    return model


def half(rank: int) -> Grads:
    """The gradients that a process steps with, of its half of the pictures."""
    model = network().train()
    at(BEGIN)
    data = train_batch(model, HALVES[rank])
    wrapped = distributed(model)
    losses = wrapped(**data, mode='loss')
    return gradients(model, total(losses))


def test_the_reference_steps_in_two_processes(tmp_path) -> None:
    """Labels, losses, gradients and weights at the tolerances of one process."""
    load_golden('weclip_train_step')  # skips where it isn't there
    assert in_processes(own_steps, tmp_path) == [True, True]


def test_a_step_of_two_processes(tmp_path) -> None:
    """The mean of what each half gives alone, with its own normalisers."""
    found = in_processes(half, tmp_path)
    alone = []
    for images in HALVES:
        model = network()
        alone.append(gradients(model, total(step(model, BEGIN, images))))
    assert found[0].keys() == found[1].keys() == alone[0].keys()
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name]), name
        mean = (alone[0][name] + alone[1][name]) / 2
        torch.testing.assert_close(value, mean, rtol=1e-4, atol=1e-6, msg=name)
