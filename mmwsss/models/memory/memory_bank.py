# Licensed under Apache-2.0.
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.registry import MODELS

from .gather_rows import all_gather_varied


@MODELS.register_module()
class MemoryBank(nn.Module):
    """A queue of tagged features (MoCo, He et al., 2020), class prototypes, or both.

    All of it are buffers: checkpoints hold it, a resumed run goes on bit by bit, no
    gradient reaches it. What comes in is gathered over all processes, those of rank 0
    first, so that the memory is the same on each. The pointer stays on the device and
    nothing is read from it, so the host never waits, except for the exchange of
    numbers of rows where several processes run without ``equal_rows``.

    A row that holds anything not finite stays out: masked average pooling gives NaN for
    a class that isn't there, and a step that overflows gives infinities, which would
    never leave a prototype again.

    The memory changes in place. A loss that reads it must run its backward pass before
    the memory changes again, or read a clone; autograd refuses the rest.

    Args:
        dim: D, length of a feature.
        size: Q, slots of the queue, or ``None`` for no queue.
        num_foreground: C, classes with a prototype, of which the background isn't one
            (a model's ``num_foreground``, not its ``num_classes``), or ``None`` for no
            prototypes.
        momentum: μ of the prototypes, in [0, 1].
        normalise: make all prototypes unit vectors after each update.
        unused_tag: tag of slots that nothing was written to, and of rows that aren't
            finite.
        equal_rows: the caller promises that each process brings the same number of
            rows to each call.

    Attributes:
        features: (Q, D) float32, zeros at first.
        tags: (Q,) int64, ``unused_tag`` at first.
        pointer: () int64, the slot that is written next.
        count: () int64, slots written so far, at most Q.
        prototypes: (C, D) float32, zeros at first; row c belongs to class id c + 1.

    Raises:
        ValueError: if there is neither queue nor prototypes, or a number is out of
            range.
    """

    def __init__(
        self,
        dim: int,
        size: int | None = None,
        num_foreground: int | None = None,
        momentum: float = 0.9,
        normalise: bool = True,
        unused_tag: int = -1,
        equal_rows: bool = False,
    ) -> None:
        super().__init__()
        if size is None and num_foreground is None:
            raise ValueError(
                'a MemoryBank needs size, num_foreground or both, got neither'
            )
        for name, value in dict(
            dim=dim, size=size, num_foreground=num_foreground
        ).items():
            if value is not None and value < 1:
                raise ValueError(f'{name} of a MemoryBank must be at least 1: {value}')
        if not 0 <= momentum <= 1:
            raise ValueError(f'momentum must be in [0, 1], got {momentum}')
        self.dim, self.size, self.num_foreground = dim, size, num_foreground
        self.momentum, self.normalise = momentum, normalise
        self.unused_tag, self.equal_rows = unused_tag, equal_rows
        if size is not None:
            self.register_buffer('features', torch.zeros(size, dim))
            self.register_buffer('tags', torch.full((size,), unused_tag))
            self.register_buffer('pointer', torch.tensor(0))
            self.register_buffer('count', torch.tensor(0))
        if num_foreground is not None:
            self.register_buffer('prototypes', torch.zeros(num_foreground, dim))

    # ---------------------------------------------------------------- queue
    @property
    def filled(self) -> Tensor:
        """(Q,) bool: slots that something was written to."""
        self._need('size')
        return torch.arange(self.size, device=self.count.device) < self.count

    @torch.no_grad()
    def enqueue(self, features: Tensor, tags: Tensor) -> None:
        """Write the rows of all processes over the oldest ones.

        Behind the last slot it goes on with the first. Of more rows than there are
        slots, the last Q stay. A row that isn't finite takes its slot as zeros with
        ``unused_tag``, for the number of rows is known on the device alone.

        Args:
            features: (N, D), any floating dtype.
            tags: (N,) integers.

        Raises:
            ValueError: if shapes don't fit, or there is no queue.
            TypeError: if tags aren't integers.
        """
        size = self._need('size')
        self._check(features, tags, 'tags')
        features = all_gather_varied(features.float(), self.equal_rows)
        tags = all_gather_varied(tags.long(), self.equal_rows)
        total = len(features)
        kept = min(total, size)
        steps = torch.arange(total - kept, total, device=self.pointer.device)
        slots = (self.pointer + steps) % size
        features, tags = self._finite(features, tags)
        self.features.index_copy_(0, slots, features[total - kept :])
        self.tags.index_copy_(0, slots, tags[total - kept :])
        self.pointer.add_(total).remainder_(size)
        self.count.add_(total).clamp_(max=size)

    @torch.no_grad()
    def fill(self, features: Tensor, tags: Tensor) -> None:
        """Start with a full queue: what a release fills it with before training.

        The rows are not gathered: give each process the same. Rows that aren't finite
        become zeros with ``unused_tag``.

        Args:
            features: (Q, D); tags: (Q,) integers.

        Raises:
            ValueError: if shapes don't fit, or there is no queue.
            TypeError: if tags aren't integers.
        """
        self._need('size')
        self._check(features, tags, 'tags')
        if len(features) != self.size:
            raise ValueError(
                f'fill needs a row for each of {self.size} slots, got {len(features)}'
            )
        features, tags = self._finite(features, tags)
        self.features.copy_(features)
        self.tags.copy_(tags)
        self.pointer.zero_()
        self.count.fill_(self.size)

    # ---------------------------------------------------------------- prototypes
    @torch.no_grad()
    def update_prototypes(self, features: Tensor, labels: Tensor) -> None:
        """``p_c ← μ p_c + (1 − μ) f`` for each row of class c, one after the other.

        Rows come in the order of processes, then of rows. Afterwards all prototypes
        are made unit vectors, if ``normalise``. In one expression: of n rows of a
        class, the k-th from the end weighs ``(1 − μ) μ^k``, the old prototype ``μ^n``.

        Args:
            features: (N, D), any floating dtype, taken as they are.
            labels: (N,) class ids 1..C; rows with another id (0, −1, 255) are left out,
                and those that aren't finite.

        Raises:
            ValueError: if shapes don't fit, or there are no prototypes.
            TypeError: if labels aren't integers.
        """
        num_foreground = self._need('num_foreground')
        self._check(features, labels, 'labels')
        features = all_gather_varied(features.float(), self.equal_rows)
        labels = all_gather_varied(labels.long(), self.equal_rows)
        features, labels = self._finite(features, labels, -1)
        ids = torch.arange(1, num_foreground + 1, device=labels.device)
        mine = labels[:, None] == ids  # (N, C)
        number = mine.sum(0)
        later = number - mine.cumsum(0)
        weight = (1 - self.momentum) * self.momentum**later * mine
        # No matrix product: autocast and TF32 would shorten its numbers.
        added = (weight[:, :, None] * features[:, None]).sum(0)
        self.prototypes.mul_((self.momentum**number)[:, None]).add_(added)
        if self.normalise:
            self.prototypes.copy_(F.normalize(self.prototypes, dim=1))

    def _finite(
        self, features: Tensor, ids: Tensor, other: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Rows that aren't finite as zeros, with the id ``other`` (``unused_tag``).

        Zeros, not a weight of 0: 0 times NaN is NaN.
        """
        good = features.isfinite().all(1)
        other = self.unused_tag if other is None else other
        return features.where(good[:, None], 0), ids.where(good, other)

    # ---------------------------------------------------------------- checks
    def _need(self, part: str) -> int:
        value = getattr(self, part)
        if value is None:
            raise ValueError(f'this MemoryBank was built without {part}: set it')
        return value

    def _check(self, features: Tensor, ids: Tensor, name: str) -> None:
        if features.shape != (len(ids), self.dim) or ids.dim() != 1:
            raise ValueError(
                f'features (N, {self.dim}) and {name} (N,) are needed, got '
                f'{tuple(features.shape)} and {tuple(ids.shape)}'
            )
        if ids.dtype.is_floating_point or ids.dtype == torch.bool:
            raise TypeError(f'{name} must be integers, got {ids.dtype}')
