# Licensed under Apache-2.0.
from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class EMACopy(nn.Module):
    """A gradient-free copy of a module that follows it by a moving average.

    It is a sub-module of the model, so that checkpoints hold it and a resumed run goes
    on exactly. Buffers aren't averaged: no published teacher has any. mmengine's
    ``ExponentialMovingAverage`` doesn't serve: it adds a key ``steps`` to checkpoints,
    waits for the device to read it, replaces its first average by a copy, and its
    ``lerp`` rounds otherwise than the releases.

    Args:
        module: the student; it is copied, not kept.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).requires_grad_(False)

    @torch.no_grad()
    def follow(self, student: nn.Module, momentum: float) -> None:
        """``teacher ← momentum * teacher + (1 − momentum) * student``.

        Over weight-normed layers the average acts on the direction matrix, not on the
        normalised product.

        Args:
            student: module of the same layout.
            momentum: in [0, 1].
        """
        teacher = list(self.module.parameters())
        torch._foreach_mul_(teacher, momentum)
        torch._foreach_add_(teacher, list(student.parameters()), alpha=1 - momentum)

    def start_from(self, student: nn.Module) -> None:
        """Copy the student's weights (after its initialisation or loading)."""
        self.follow(student, momentum=0.0)
        for mine, theirs in zip(self.module.buffers(), student.buffers(), strict=True):
            mine.copy_(theirs)

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The teacher's output, without gradient."""
        return self.module(*args, **kwargs)
