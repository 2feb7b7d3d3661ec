# Licensed under Apache-2.0.
"""Which classes an image holds, in a form that needs no host synchronisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class ImageLabels(NamedTuple):
    """Image-level labels of a batch, dense and compact.

    Only the classes that an image holds can win a pixel, so maps are resized,
    normalised and refined for those alone: channel ``k`` of a compact map
    (B, K, H, W) belongs to class ``ids[b, k]``; K is the largest number of classes
    that one image of the batch holds.

    Attributes:
        score: (B, C) float32 multi-hot labels.
        ids: (B, K) int64 class ids 1..C in ascending order, 0 in unused slots.
        mask: (B, K) bool, False in unused slots (they come last).
    """

    score: Tensor
    ids: Tensor
    mask: Tensor

    @classmethod
    def from_lists(
        cls,
        labels: Sequence[Sequence[int]],
        num_foreground: int,
        device: torch.device | str = 'cpu',
    ) -> ImageLabels:
        """Build from lists of CAM channels; made on the CPU, then copied once.

        Args:
            labels: for each image its zero-based CAM channels (class id − 1).
            num_foreground: C.
            device: where the tensors are wanted.

        Raises:
            ValueError: if a channel isn't in 0..C-1.
        """
        for image, channels in enumerate(labels):
            wrong = [c for c in channels if not 0 <= c < num_foreground]
            if wrong:
                raise ValueError(
                    f'image {image} of the batch has labels {wrong}; CAM channels must '
                    f'be in 0..{num_foreground - 1} (class id minus 1)'
                )
        slots = max([1, *(len(set(c)) for c in labels)])
        score = torch.zeros(len(labels), num_foreground)
        ids = torch.zeros(len(labels), slots, dtype=torch.long)
        for row, channels in enumerate(labels):
            present = sorted(set(channels))
            score[row, present] = 1.0
            ids[row, : len(present)] = torch.tensor(present, dtype=torch.long) + 1
        return cls(*(t.to(device, non_blocking=True) for t in (score, ids, ids > 0)))

    @classmethod
    def every_class(
        cls, batch: int, num_foreground: int, device: torch.device | str = 'cpu'
    ) -> ImageLabels:
        """All C classes present in every image (no label filter)."""
        return cls.from_lists([range(num_foreground)] * batch, num_foreground, device)

    def __len__(self) -> int:
        return self.score.shape[0]

    def select(self, index: slice) -> ImageLabels:
        """The labels of some images of the batch."""
        return ImageLabels(self.score[index], self.ids[index], self.mask[index])

    def tile(self, times: int) -> ImageLabels:
        """The labels of the batch, repeated: for images and then their mirrors."""
        return ImageLabels(*(t.repeat(times, 1) for t in self))

    def gather(self, maps: Tensor) -> Tensor:
        """(B, C, …) maps of all classes → (B, K, …) maps of the present ones.

        Unused slots hold a copy of channel 0: :meth:`valid` zeroes them.
        """
        index = (self.ids - 1).clamp_min(0)
        index = index.reshape(*index.shape, *(1,) * (maps.dim() - 2))
        return maps.gather(1, index.expand(-1, -1, *maps.shape[2:]))

    def scatter(self, maps: Tensor) -> Tensor:
        """(B, K, …) compact maps → (B, C, …) of all classes, 0 for the absent ones.

        What unused slots hold is left out.
        """
        index = self.ids.reshape(*self.ids.shape, *(1,) * (maps.dim() - 2))
        full = maps.new_zeros(len(maps), self.score.shape[1] + 1, *maps.shape[2:])
        return full.scatter(1, index.expand_as(maps), maps)[:, 1:]

    def valid(self, maps: Tensor) -> Tensor:
        """Compact maps (B, K, H, W) with the unused slots set to 0."""
        return maps * self.mask[..., None, None]

    def to_ids(self, slots: Tensor) -> Tensor:
        """Slot numbers 0..K (B, H, W), 0 = background → class ids 0..C."""
        table = torch.cat([self.ids.new_zeros(len(self), 1), self.ids], dim=1)
        return table.gather(1, slots.flatten(1)).view_as(slots)
