# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator, Sized

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmwsss.datasets.seeded_wrappers import refuse_unseeded
from mmwsss.datasets.seeding import mix_seed
from mmwsss.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class SeededInfiniteSampler(Sampler):
    """An endless stream of ``(index, seed)``, the same for any number of workers.

    One global stream: permutation after permutation of the data set, epoch e's
    drawn from (seed, e). Rank r of W takes the positions r, r + W, r + 2W, ... of
    it, so no image comes twice in an epoch whatever W is, and batches run on from
    one epoch into the next. The seed of a sample comes from (seed, position): its
    augmentation does not depend on which worker or rank draws it.

    Any position is reached at once: :meth:`skip` costs nothing, so resuming
    (mmengine calls it) continues bit-equal without loading what was seen.

    Args:
        dataset: anything with a length.
        shuffle: permute each epoch.
        seed: by default one drawn by rank 0; give it to resume bit-equal.
        with_seed: yield ``(index, seed)``; False yields bare indices, for data
            sets that do not take pairs. Ours do, and the wrappers ``ConcatDataset``,
            ``RepeatDataset`` and ``ClassBalancedDataset`` of mmwsss.

    Raises:
        ValueError: if the data set is empty, or a wrapper that takes no pairs.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: int | None = None,
        with_seed: bool = True,
    ) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        if not self.size:
            raise ValueError('the data set is empty; check its ann_file and indices')
        if with_seed:
            refuse_unseeded(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.with_seed = with_seed
        self._start = 0

    def __iter__(self) -> Iterator[tuple[int, int]] | Iterator[int]:
        """The stream of this rank, from the position of :meth:`skip` on."""
        position = self._start * self.world_size + self.rank
        epoch, order = -1, np.empty(0, dtype=np.int64)
        while True:
            if position // self.size != epoch:
                epoch = position // self.size
                order = self._order(epoch)
            index = int(order[position % self.size])
            yield (index, mix_seed(self.seed, position)) if self.with_seed else index
            position += self.world_size

    def _order(self, epoch: int) -> np.ndarray:
        """The order of the images in one epoch."""
        if not self.shuffle:
            return np.arange(self.size)
        return np.random.RandomState(mix_seed(self.seed, ~epoch)).permutation(self.size)

    def skip(self, num_samples: int) -> None:
        """Begin after ``num_samples`` samples of this rank (mmengine's contract).

        Raises:
            ValueError: if the number is negative.
        """
        if num_samples < 0:
            raise ValueError(f'num_samples must not be negative, is {num_samples}')
        self._start = num_samples

    def set_epoch(self, epoch: int) -> None:
        """Nothing: the stream knows its epochs."""

    def __len__(self) -> int:
        """Length of the data set, as mmengine's endless sampler has it."""
        return self.size
