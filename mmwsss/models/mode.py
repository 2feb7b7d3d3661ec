# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


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


def traced(images: Tensor, on: bool) -> Tensor:
    """Images from which a network makes class maps, where those are gradients.

    A frozen network (a teacher) has no parameter that asks for gradients; what it
    encodes then has them on account of its input.

    Args:
        images: normalised.
        on: ``MAPS_NEED_GRAD`` of the network; ``False`` changes nothing.
    """
    return images.detach().requires_grad_() if on else images
