# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.logging import print_log
from torch.utils.data import Sampler

from mmwsss.datasets.annotated_pictures import annotated_factors, has_partial
from mmwsss.datasets.data_summary import count_labels
from mmwsss.datasets.rare_classes import (
    class_factors,
    draw_ends,
    drawn,
    labels_of,
    picture_factors,
    usual_share,
)
from mmwsss.datasets.seeded_wrappers import refuse_unseeded
from mmwsss.datasets.seeding import mix_seed
from mmwsss.registry import DATA_SAMPLERS

#: classes whose factors the log gives
_TOLD = 20


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

    With ``class_balanced`` pictures of rare classes come several times in an epoch,
    which is so much longer, each time with an augmentation of its own; see
    :func:`.class_factors` and :func:`.drawn`. All else stays as said.

    With ``partial_share`` so do the pictures that have partial labels.

    Args:
        dataset: anything with a length.
        shuffle: permute each epoch.
        seed: by default one drawn by rank 0; give it to resume bit-equal.
        with_seed: yield ``(index, seed)``; False yields bare indices, for data
            sets that do not take pairs. Ours do, and the wrappers ``ConcatDataset``,
            ``RepeatDataset`` and ``ClassBalancedDataset`` of mmwsss.
        class_balanced: share of the pictures, in (0, 1]: a class on a share f of the
            pictures below it is drawn ``sqrt(class_balanced / f)`` times as often;
            ``True``: the median share of the classes; ``False`` or ``None``: all
            pictures are drawn alike.
        partial_share: share of the samples, in (0, 1), that have partial labels at
            least: a few whole masks among thousands of pictures would hardly be seen
            in a short training. ``None``: they are drawn as the others.

    Raises:
        ValueError: if the data set is empty, a wrapper that takes no pairs, or has no
            image labels to balance by, or no partial labels; if ``class_balanced`` or
            ``partial_share`` is out of range.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: int | None = None,
        with_seed: bool = True,
        class_balanced: bool | float | None = False,
        partial_share: float | None = None,
    ) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)  # samples of an epoch
        if not self.size:
            raise ValueError('the data set is empty; check its ann_file and indices')
        if with_seed:
            refuse_unseeded(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.with_seed = with_seed
        self._start = 0
        self.ends = None
        factors = np.ones(self.size)
        if class_balanced is not None and class_balanced is not False:
            factors *= balanced_factors(dataset, class_balanced)
        if partial_share is not None:
            factors *= annotated_factors(has_partial(dataset), partial_share)
        if factors.max() > 1:
            self.ends = draw_ends(factors)
            self.size = int(self.ends[-1])

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
        rng = np.random.RandomState(mix_seed(self.seed, ~epoch))
        if self.ends is None:
            items = np.arange(self.size)
        else:
            items = drawn(self.ends, rng.random_sample())
        return items[rng.permutation(self.size)] if self.shuffle else items

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
        """Samples of an epoch; mmengine's endless sampler has the data set's length."""
        return self.size


def balanced_factors(dataset: Any, threshold: bool | float) -> np.ndarray:
    """How often each picture is to be drawn, for its classes; the log says it.

    Args:
        dataset: with image labels.
        threshold: share of the pictures in (0, 1]; ``True``: the median of the classes.

    Raises:
        ValueError: if the share is out of range, or there are no image labels.
    """
    labels, classes = labels_of(dataset)
    counts, _ = count_labels(labels, len(classes))
    shares = counts / len(labels)
    try:
        share = usual_share(shares) if threshold is True else float(threshold)
    except (TypeError, ValueError):
        share = 0.0  # no number
    if not 0 < share <= 1:
        raise ValueError(
            f'class_balanced={threshold!r}: must be True, or a share of the pictures '
            'above 0 and up to 1, below which a class is drawn more often'
        )
    factors = class_factors(shares, share)
    of_pictures = picture_factors(labels, factors)
    most = [c for c in np.argsort(-factors, kind='stable')[:_TOLD] if factors[c] > 1]
    percent = np.format_float_positional(
        100 * share, 2, unique=False, fractional=False, trim='-'
    )
    told = [f'{classes[c]} ({counts[c]} pictures) x {factors[c]:.2f}' for c in most]
    print_log(
        f'class_balanced: classes on less than {percent} % of the pictures are '
        f'drawn more often: {", ".join(told) or "there are none"}; an epoch has '
        f'{np.ceil(of_pictures.sum()):.0f} samples of {len(labels)} pictures',
        'current',
    )
    return of_pictures
