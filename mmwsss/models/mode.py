# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module, on: bool = True) -> Iterator[None]:
    """Within it a module is in evaluation mode; afterwards in its mode of before.

    Args:
        module: e.g. a backbone, whose stochastic depth then rests.
        on: ``False`` changes nothing.
    """
    training = module.training
    module.train(training and not on)
    try:
        yield
    finally:
        module.train(training)
