# Licensed under Apache-2.0.
"""Hard labels of class maps, made certain by a dense CRF: seeds and pseudo masks.

Source: Ahn, Cho and Kwak (IRNet, CVPR 2019), section 4.1, and its release; SemFormer
takes it over with other thresholds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmwsss.cam import strongest_class, threshold_label

from .soft_maps import Refine, merge_high_low


def refined_slots(
    images: Tensor, cam: Tensor, bkg_thr: float, refine: Refine
) -> Tensor:
    """arg max over [constant, maps], then the refinement of these hard labels.

    Args:
        images: (B, 3, H, W) RGB, 0..255.
        cam: (B, K, H, W) maps in [0, 1] of the K classes that each image holds.
        bkg_thr: constant score of the background, which also wins a tie.
        refine: (images, maps (B, K + 1, H, W)) → maps; it is given ones and zeros
            (``DenseCRF(preset='irn', unary='labels')``).

    Returns:
        (B, H, W) int64: 0 background, k the k-th map.
    """
    return _refine(images, hard_slots(cam, bkg_thr), cam.shape[1], refine)


def affinity_seeds(
    images: Tensor,
    cam: Tensor,
    refine: Refine,
    fg_thr: float = 0.30,
    bg_thr: float = 0.05,
) -> Tensor:
    """Seeds of the affinity stage: certain foreground, certain background, the rest.

    Two runs of :func:`refined_slots`. Foreground of the first keeps its class; what is
    background in both is 0; the rest is ignored. Where both thresholds give one map
    there is only one run.

    Args:
        images: (B, 3, H, W) RGB, 0..255.
        cam: (B, K, H, W) maps in [0, 1] of the K classes that each image holds.
        refine: see :func:`refined_slots`; published with 10 iterations.
        fg_thr: background score of the foreground run; IRNet 0.30. SemFormer 0.11 with
            ``bg_thr=0.15``: in that order 255 comes only from where the runs disagree.
        bg_thr: background score of the background run; IRNet 0.05.

    Returns:
        (B, H, W) int64: 0 background, k the k-th map, 255 ignored.

    Raises:
        ValueError: if a threshold isn't in [0, 1].
    """
    if not (0 <= fg_thr <= 1 and 0 <= bg_thr <= 1):
        raise ValueError(f'fg_thr and bg_thr must be in [0, 1], got {fg_thr}, {bg_thr}')
    slots, lenient = hard_slots(cam, fg_thr), hard_slots(cam, bg_thr)
    differ = (slots != lenient).flatten(1).any(1)
    foreground = _refine(images, slots, cam.shape[1], refine)
    background = foreground.clone()
    if differ.any():
        background[differ] = _refine(
            images[differ], lenient[differ], cam.shape[1], refine
        )
    return merge_high_low(foreground, background)


def hard_slots(cam: Tensor, bkg_thr: float) -> Tensor:
    """(B, K, H, W) → (B, H, W): arg max over [constant, maps], unrefined."""
    if not cam.shape[1]:  # images without any class
        return torch.zeros_like(cam.sum(1), dtype=torch.long)
    return threshold_label(*strongest_class(cam), bkg_thr)


def _refine(images: Tensor, slots: Tensor, count: int, refine: Refine) -> Tensor:
    """Refine slot numbers 0..count as maps of ones and zeros."""
    if not count:  # a single label: nothing to choose from
        return slots
    rows = torch.arange(count + 1, device=slots.device).view(-1, 1, 1)
    hard = (slots[:, None] == rows).to(images.dtype)
    return refine(images, hard).argmax(1)
