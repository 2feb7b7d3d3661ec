# Licensed under Apache-2.0.
"""Targets and student maps of self-training on fused attention (SMAF, section 3.3).

Dense maps have C channels in the order of the CAM; with background it is the *last*
channel, C, as in the networks of EPS.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.cam.fusion import NORMALISE_EPS


def resize_corners(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear between corner-aligned grids, no antialiasing (SMAF's release).

    Args:
        maps: (B, C, h, w).
        size: (H, W) in pixels.
    """
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size=size, mode='bilinear', align_corners=True)


def denoise(fused: Tensor, label: Tensor) -> Tensor:
    """Zero the maps of classes that the image doesn't hold (SMAF, section 3.3).

    Args:
        fused: (B, C, H, W) fused attention.
        label: (B, C) multi-hot image labels.
    """
    return fused * label.to(fused.dtype)[..., None, None]


def reactivate(maps: Tensor) -> Tensor:
    """Divide by the strongest channel, pixel by pixel (SMAF, Eq. 8).

    Afterwards the winning channel is 1 everywhere: regions that a single scale alone
    has found count fully.

    Args:
        maps: (B, C + 1, H, W) with a background channel that is positive everywhere,
            so that nothing is divided by 0.
    """
    return maps / maps.amax(1, keepdim=True)


def attention_target(
    fused: Tensor, label: Tensor, bkg_thr: float = 0.2, reactivated: bool = True
) -> Tensor:
    """What the student's attention should be (SMAF, section 3.3).

    Args:
        fused: (B, C, H, W) fused attention in [0, 1].
        label: (B, C) multi-hot image labels.
        bkg_thr: the constant of the background channel, in (0, 1].
        reactivated: ``False`` leaves reactivation out (Table 5): maps and constant
            stay as they are. The paper sets the constant as a part of reactivation, so
            the loss should then leave the background out: a softmax can't be near
            0 for all classes and near the constant for the background at once.

    Returns:
        (B, C + 1, H, W) in [0, 1], the background last.
    """
    fused = denoise(fused, label)
    target = torch.cat([fused, fused.new_full(fused[:, :1].shape, bkg_thr)], 1)
    return reactivate(target) if reactivated else target


def winning_label(target: Tensor) -> Tensor:
    """Class ids (B, H, W) 0..C of maps (B, C + 1, H, W) whose last is background."""
    return (target.argmax(1) + 1) % target.shape[1]


def softmax_attention(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Attention of a network with a background channel (SMAF's release).

    The logits are resized first, corner-aligned; the softmax comes after it, the other
    way round than at test time. There is no normalisation by the maximum.

    Args:
        logits: (B, C + 1, h, w).
        size: grid of the target.

    Returns:
        (B, C + 1, H, W), summing to 1 over the channels.
    """
    return resize_corners(logits, size).softmax(1)


def relu_attention(
    logits: Tensor, size: tuple[int, int], eps: float = NORMALISE_EPS
) -> Tensor:
    """Attention of a network without background channel (SMAF's release).

    ReLU, then division by the spatial maximum, through which no gradient goes: a map
    can't grow by lowering its peak. For classes that the image holds only; the maximum
    of an absent class would make a full-scale map of noise.

    Args:
        logits: (B, K, h, w) of present classes.
        size: grid of the target.
        eps: added to the maximum.

    Returns:
        (B, K, H, W) in [0, 1).
    """
    maps = resize_corners(logits, size).relu()
    return maps / (maps.detach().amax((-2, -1), keepdim=True) + eps)
