# Licensed under Apache-2.0.
"""The crops of a generator that is seeded anew for every image (SeCo as released).

The release calls ``manual_seed(0)`` and takes the first ranks of ``randperm(n)``, n
being the number of candidates. So the ranks are a function of n, which is known on the
device alone. The first L ranks of a shuffle need its first L steps only; these are done
here on all images at once, and no generator is touched: a release's crops, without what
its seeding does to everything else that is random.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def first_draws(number: int, seed: int = 0) -> Tensor:
    """(number,) int64: the first 32-bit numbers of PyTorch's seeded CPU generator.

    That generator and NumPy's are the same Mersenne Twister.
    """
    words = np.random.RandomState(seed).randint(0, 2**32, number, dtype=np.uint32)
    return torch.from_numpy(words.astype(np.int64))


def first_ranks(draws: Tensor, count: Tensor) -> Tensor:
    """The first L numbers of ``torch.randperm(n)`` on the CPU, right after the seeding.

    Step i of the shuffle swaps the places i and ``i + draw_i % (n − i)``; what stands
    at a place before its step is found by going back through the swaps.

    Args:
        draws: (L,) int64, see :func:`first_draws`.
        count: (B,) int64 n, at least L.

    Returns:
        (B, L) int64, distinct in each row, in 0..n−1.
    """
    steps = torch.arange(len(draws), device=count.device)
    places = steps + draws % (count[:, None] - steps)
    ranks = places
    for step in reversed(range(len(draws))):
        swapped = (ranks == places[:, step : step + 1]) & (steps > step)
        ranks = ranks.masked_fill(swapped, step)
    return ranks


def ranked_corners(candidates: Tensor, ranks: Tensor) -> Tensor:
    """The places of candidates that are numbered row by row.

    Args:
        candidates: (B, h, w) bool.
        ranks: (B, L) int64, below the number of candidates.

    Returns:
        (B, L, 2) int64 (y, x).
    """
    numbered = candidates.flatten(1).cumsum(1)
    index = torch.searchsorted(numbered, ranks + 1)
    width = candidates.shape[-1]
    return torch.stack([index // width, index % width], dim=-1)
