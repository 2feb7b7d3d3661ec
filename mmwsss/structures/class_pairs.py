# Licensed under Apache-2.0.
"""Every (image, class) of a batch, in a form that needs no host synchronisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .image_labels import ImageLabels


class ClassPairs(NamedTuple):
    """Every (image, present class) of a batch, background included.

    Slot ``s`` of image ``b`` is class ``ids[b, s]``; background has slot 0 and is
    present everywhere. Pairs are ordered by image, then class. Their number is known
    on the CPU, so that nothing waits for the device.

    Attributes:
        score: (B, K) float32 multi-hot labels, background first.
        ids: (B, S) int64 class ids 0..K−1, ascending; 0 in unused slots.
        mask: (B, S) bool, False in unused slots (they come last).
        image: (P,) int64 image of each pair.
        slot: (P,) int64 slot of its class.
    """

    score: Tensor
    ids: Tensor
    mask: Tensor
    image: Tensor
    slot: Tensor

    @classmethod
    def from_lists(
        cls,
        labels: Sequence[Sequence[int]],
        num_foreground: int,
        device: torch.device | str = 'cpu',
    ) -> ClassPairs:
        """Build from lists of CAM channels; made on the CPU, then copied once.

        Args:
            labels: for each image its zero-based CAM channels (class id − 1).
            num_foreground: C = K − 1.
            device: where the tensors are wanted.

        Raises:
            ValueError: if a channel isn't in 0..C−1.
        """
        objects = ImageLabels.from_lists(labels, num_foreground)
        first = objects.ids.new_zeros(len(labels), 1)
        # without an object there is one slot, unused
        slots = max(len(set(channels)) for channels in labels)
        ids = torch.cat([first, objects.ids[:, :slots]], 1)
        mask = torch.cat([first == 0, objects.mask[:, :slots]], 1)
        score = torch.cat([torch.ones(len(labels), 1), objects.score], 1)
        image, slot = mask.nonzero().unbind(1)
        return cls(
            *(
                t.contiguous().to(device, non_blocking=True)
                for t in (score, ids, mask, image, slot)
            )
        )

    def __len__(self) -> int:
        return self.image.shape[0]

    @property
    def own(self) -> Tensor:
        """(P, S) bool: the slot of the pair's own class."""
        slots = torch.arange(self.ids.shape[1], device=self.ids.device)
        return slots == self.slot[:, None]

    @property
    def other(self) -> Tensor:
        """(P, S) bool: the slots of the other classes that the pair's image holds."""
        return self.mask[self.image] & ~self.own

    @property
    def pair_ids(self) -> Tensor:
        """(P, S) class ids of the pair's image."""
        return self.ids[self.image]

    def gather(self, maps: Tensor) -> Tensor:
        """(B, K, h, w) maps of all classes → (B, S, h, w) of the present ones.

        Unused slots hold a copy of the background.
        """
        index = self.ids[..., None, None].expand(-1, -1, *maps.shape[2:])
        return maps.gather(1, index)
