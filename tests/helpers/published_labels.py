# Licensed under Apache-2.0.
"""The published label rules written out once more: what labelers are held against.

Tests on reference files hold these functions against the releases, tests of the
labelers hold the labelers against these functions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmwsss.cam import check_thresholds, resize
from mmwsss.labelers.soft_maps import Refine, background_stacks, merge_high_low
from mmwsss.ops import prob_from_cam
from mmwsss.structures import ImageLabels


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
        comes first, as :func:`refine_soft_maps` has it.

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


def refine_soft_maps(
    images: Tensor,
    cam: Tensor,
    labels: ImageLabels,
    high_thr: float,
    low_thr: float,
    refine: Refine,
    downscale: int = 2,
) -> Tensor:
    """Refined soft maps under the high and the low background constant.

    Both stacks share one image affinity: they are filtered together as channels.

    Args:
        images: (B, 3, H, W) in [0, 1].
        cam: (B, K, H, W) compact CAM, in [0, 1].
        labels: the K classes of each image.
        high_thr, low_thr: background constants.
        refine: (images (B, 3, h, w), maps (B, M, h, w)) → maps of the same shape.
        downscale: the filter works at (H // downscale, W // downscale).

    Returns:
        (B, 2, K + 1, H, W): high first; channel 0 is the background.
    """
    check_thresholds(low_thr, high_thr)
    size = tuple(cam.shape[-2:])
    small = size[0] // downscale, size[1] // downscale
    soft = background_stacks(resize(cam, small), labels, (high_thr, low_thr))
    if hasattr(refine, 'per_channel'):  # a refiner takes pictures of 0..255
        refined = refine((images * 255).round(), soft.flatten(1, 2))
    else:
        refined = refine(resize(images, small), soft.flatten(1, 2))
    return resize(refined, size).unflatten(1, soft.shape[1:3])


def refined_label(
    images: Tensor,
    cam: Tensor,
    labels: ImageLabels,
    high_thr: float,
    low_thr: float,
    refine: Refine,
    box: Tensor | None = None,
    downscale: int = 2,
) -> Tensor:
    """Refined pseudo label (releases of ToCo, AFA, FSR).

    Args: see :func:`refine_soft_maps`; box: (B, 4) real pixels or ``None``.

    Returns:
        (B, H, W) int64 class ids with 255 = ignore.
    """
    soft = refine_soft_maps(images, cam, labels, high_thr, low_thr, refine, downscale)
    high, low = (labels.to_ids(s.argmax(1)) for s in soft.unbind(1))
    return merge_high_low(high, low, box)
