# Licensed under Apache-2.0.
"""Complementary images of the classes that an image holds (SemFormer)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.cam import box_mask, scale_box
from mmwsss.structures.class_pairs import ClassPairs


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
