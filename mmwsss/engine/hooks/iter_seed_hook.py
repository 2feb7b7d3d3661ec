# Licensed under Apache-2.0.
from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from mmwsss.registry import HOOKS


def iteration_seed(seed: int, rank: int, iteration: int) -> int:
    """The seed of one training iteration on one process.

    ``SeedSequence([seed, rank, iteration])`` mixes the three numbers, so that no two
    (rank, iteration) pairs share a stream and none depends on what ran before.

    Args:
        seed: ``randomness.seed`` of the config, >= 0.
        rank: Global rank of the process, >= 0.
        iteration: Zero-based training iteration, >= 0.

    Returns:
        An unsigned 32-bit integer.
    """
    sequence = np.random.SeedSequence([seed, rank, iteration])
    return int(sequence.generate_state(1)[0])


@HOOKS.register_module()
class IterSeedHook(Hook):
    """Reseed python, numpy and torch before every training iteration.

    What a training step draws (dropout, crop positions, noise) is then a function of
    (seed, rank, iteration) alone: a run resumed at iteration k draws what the run that
    never stopped drew, and whatever happened in between (validation, pictures)
    doesn't matter. Random numbers of the data pipeline are seeded elsewhere, per item,
    by the sampler.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Seed the three generators (and those of all GPUs)."""
        seed = iteration_seed(runner.seed, get_rank(), runner.iter)
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
