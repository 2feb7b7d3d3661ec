# Licensed under Apache-2.0.
"""One training step of a network, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.logging import MessageHub
from torch import Tensor, nn

from mmwsss.models.loss_schedule import StepSchedule
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor

from .tiny_batches import train_batch


def at(iteration: int) -> None:
    """Let models believe that this iteration runs."""
    MessageHub.get_current_instance().update_info('iter', iteration)


def step(
    model: WeakSegmentor, iteration: int, images: Sequence[int] = (0, 1), seed: int = 0
) -> dict[str, Tensor]:
    """The losses of one training step; its random draws are seeded."""
    at(iteration)
    data = train_batch(model, images)
    torch.manual_seed(seed)
    return model.train().loss(**data)


def total(losses: dict[str, Tensor]) -> Tensor:
    """What the runner minimises."""
    return sum(v for k, v in losses.items() if k.startswith('loss_'))


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Gradient of every parameter that has one."""
    model.zero_grad(set_to_none=True)
    loss.backward()
    return {
        k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None
    }


def begins(model: WeakSegmentor) -> list[int]:
    """Iterations at which a loss weight or another scheduled setting changes."""
    own = (value for value in vars(model).values() if isinstance(value, StepSchedule))
    return sorted(
        {
            begin
            for schedule in (*model.terms.schedule.weights.values(), *own)
            for begin in schedule.begins
        }
    )


def terms_of(losses: dict[str, Tensor]) -> set[str]:
    """Names of the loss terms among a step's outputs, without ``loss_``."""
    return {k.removeprefix('loss_') for k in losses if k.startswith('loss_')}


def trained_parameters(model: nn.Module) -> set[str]:
    """Names of the parameters that the optimiser may change."""
    return {name for name, p in model.named_parameters() if p.requires_grad}
