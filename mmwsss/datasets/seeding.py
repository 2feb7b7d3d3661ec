# Licensed under Apache-2.0.
"""Random seeds of samples."""

from __future__ import annotations

import random

import numpy as np
import torch

_MASK64 = (1 << 64) - 1


def mix_seed(seed: int, position: int) -> int:
    """A seed below 2**32 for one position of a stream (splitmix64).

    Neighbouring positions and seeds give unrelated values, the same on every
    machine.
    """
    state = (seed * 0x9E3779B97F4A7C15 + position * 0xD1342543DE82EF95 + 1) & _MASK64
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK64
    return (state ^ (state >> 31)) >> 32


def seed_everything(seed: int) -> None:
    """Seed python, numpy and torch's CPU generator (``0 <= seed < 2**32``)."""
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
