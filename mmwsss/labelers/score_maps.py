# Licensed under Apache-2.0.
"""Pseudo labels from finished score maps: background, refinement, decision."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmwsss.ops import prob_from_cam

from .soft_maps import Refine, background_stacks, merge_high_low


def with_background(
    cam: Tensor,
    bkg_thr: Sequence[float] = (),
    alpha: float | None = None,
) -> Tensor:
    """CAMs of foreground classes → probabilities with background, one stack or two.

    Args:
        cam: (B, m, H, W), normalised CAMs of the present classes, in [0, 1].
        bkg_thr: one background constant, or two (low, high): a softmax of [constant,
            CAM], as in ToCo.
        alpha: instead: background (1 - max CAM)^alpha, as in PSA.

    Returns:
        (B, T, m + 1, H, W), background first; of two stacks that of the high constant
        comes first, as :func:`~mmwsss.labelers.soft_maps.refine_soft_maps` has it.

    Raises:
        ValueError: unless there are one or two ordered constants, or an exponent.
    """
    constants = sorted(map(float, bkg_thr), reverse=True)
    if (alpha is None) == (not constants) or len(constants) > 2:
        raise ValueError(
            'CAMs have no background: give one or two constants bkg_thr, or the '
            f'exponent alpha; got bkg_thr={tuple(bkg_thr)}, alpha={alpha}'
        )
    if alpha is not None:
        return prob_from_cam(cam, alpha)[:, None]
    return background_stacks(cam, None, constants)


def refine_stacks(
    images: Tensor, stacks: Tensor, refine: Refine, per_channel: bool = False
) -> Tensor:
    """The winning channel of each pixel after refinement.

    Args:
        images: (B, 3, H, W) RGB, 0..255.
        stacks: (B, T, L, H, W) probabilities; T = 2: of the high and the low
            background constant.
        refine: (images, maps (B, M, H, W)) → maps of the same shape.
        per_channel: ``refine`` treats each channel for itself (PAR): all stacks go
            through at once, as channels.

    Returns:
        (B, H, W) int64 in 0..L-1, and 255 where only the low constant lets a class
        win.
    """
    if per_channel:
        refined = refine(images, stacks.flatten(1, 2)).unflatten(1, stacks.shape[1:3])
    else:
        refined = torch.stack([refine(images, s) for s in stacks.unbind(1)], 1)
    slots = refined.argmax(2).unbind(1)
    return slots[0] if len(slots) == 1 else merge_high_low(*slots)
