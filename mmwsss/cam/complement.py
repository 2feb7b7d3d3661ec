# Licensed under Apache-2.0.
"""Complementary images of the classes that an image holds (SemFormer)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .classes import ImageLabels
from .labels import box_mask, scale_box


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


def valid_pixels(
    box: Tensor | None,
    crop: tuple[int, int],
    size: tuple[int, int],
    batch: int,
    device: torch.device,
) -> Tensor:
    """The pixels of maps of ``size`` that lie in the real part of the crops.

    Args:
        box: (B, 4) (y0, y1, x0, x1) of the real pixels of the crops, or ``None``: all.
        crop: (H, W) of the crops.
        size: (h, w) of the maps; the scaled box is rounded down (released).
        batch: B.
        device: where the result is wanted.

    Returns:
        (B, h, w) bool.
    """
    if box is None:
        return torch.ones(batch, *size, dtype=torch.bool, device=device)
    return box_mask(scale_box(box, crop, size, floor=True), size)


def resize_to_corners(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear with the corner pixels' centres aligned; maps (B, C, h, w)."""
    return F.interpolate(maps, size, mode='bilinear', align_corners=True)


def activation_maps(logits: Tensor, valid: Tensor) -> Tensor:
    """Activation M in [0, 1] at the auto-encoder's size (SemFormer's release).

    As released the logits are resized, not their sigmoid.

    Args:
        logits: (B, K, h', w').
        valid: (B, h, w) bool; elsewhere nothing is active.

    Returns:
        (B, K, h, w) float32.
    """
    size = tuple(valid.shape[-2:])
    return resize_to_corners(logits.float(), size).sigmoid() * valid[:, None]


def complementary_images(
    images: Tensor, maps: Tensor, pairs: ClassPairs
) -> tuple[Tensor, Tensor]:
    """What a class covers of an image, and what it leaves (section 3.3.4).

    Args:
        images: (B, 3, h, w), normalised: 0 is the mean colour.
        maps: (B, S, h, w) activation in [0, 1] of the present classes.
        pairs: which (image, class).

    Returns:
        Foreground ``M_c I`` and background images ``(1 − M_c) I``, (P, 3, h, w) each.
    """
    image, activation = images[pairs.image], maps[pairs.image, pairs.slot][:, None]
    return activation * image, (1 - activation) * image


def strongest_other(maps: Tensor, partners: Tensor) -> Tensor:
    """For every channel the maximum over the partners other than itself.

    From the two largest values of each pixel, for all channels at once.

    Args:
        maps: (B, S, h, w) in [0, 1].
        partners: (B, S) bool, the channels that count; two at least, or the result is
            −1 where there is no other.

    Returns:
        (B, S, h, w).
    """
    open_maps = maps.masked_fill(~partners[..., None, None], -1.0)
    if maps.shape[1] == 1:
        return torch.full_like(maps, -1.0)
    values, index = open_maps.topk(2, dim=1)
    channel = torch.arange(maps.shape[1], device=maps.device)[:, None, None]
    return torch.where(index[:, :1] == channel, values[:, 1:], values[:, :1])
