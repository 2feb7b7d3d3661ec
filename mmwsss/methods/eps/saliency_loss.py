# Licensed under Apache-2.0.
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS

#: added per pixel of the map to the area that the overlap is divided by
OVERLAP_EPS = 1e-4


@torch.no_grad()
def saliency_overlap(
    prob: Tensor, saliency: Tensor, eps: float = OVERLAP_EPS
) -> Tensor:
    """The share of each class's confident area that is salient (EPS's release).

    ``o_c = Σ [p_c > ½] [s > ½] / (Σ [p_c > ½] + eps h w)``.

    Args:
        prob: (B, C, h, w) probabilities of the foreground classes.
        saliency: (B, 1, h, w) in [0, 1].
        eps: as released per pixel, so about 0.3 pixels on a map of 56 × 56.

    Returns:
        (B, C) in [0, 1); 0 for a class that nowhere exceeds one half.
    """
    sure, salient = (prob > 0.5).to(prob.dtype), (saliency > 0.5).to(prob.dtype)
    pixels = prob.shape[-2] * prob.shape[-1]
    shared = torch.einsum('bchw,bhw->bc', sure, salient[:, 0])
    return shared / (sure.sum((2, 3)) + eps * pixels)


@torch.no_grad()
def saliency_class_weights(
    overlap: Tensor, label: Tensor, overlap_thr: float, fg_weight: float
) -> Tensor:
    """What each class adds to the estimated saliency map, (B, C).

    With λ = ``fg_weight``: λ for the foreground map F = Σ p_c of the present classes
    whose overlap exceeds τ, and 1 − λ for the complement G = 1 − p_bg − Σ p_c of the
    background map, to which the other present classes are handed. Since the
    probabilities add up to 1, λ F + (1 − λ) G is one weighted sum over the classes.

    Args:
        overlap: (B, C), see :func:`saliency_overlap`.
        label: (B, C) multi-hot image labels.
        overlap_thr: τ.
        fg_weight: λ.
    """
    present = label > 0.5
    consistent = present & (overlap > overlap_thr)
    handed_over = (present & ~consistent).to(overlap.dtype)
    return fg_weight * consistent.to(overlap.dtype) + (1 - fg_weight) * (
        1 - handed_over
    )


@in_float32
def saliency_loss(
    logits: Tensor,
    saliency: Tensor,
    label: Tensor,
    overlap_thr: float = 0.4,
    fg_weight: float = 0.5,
) -> Tensor:
    r"""Saliency loss L_sal (EPS, CVPR 2021; its release).

    .. math::
        \hat s = \lambda F + (1 - \lambda) G, \qquad
        L_{sal} = \operatorname{mean}\, (\hat s - s)^2

    over batch and pixels, the saliency map taken to the CAM's grid by nearest
    neighbours. Gradients flow through the probabilities, never through the choice of
    classes.

    Args:
        logits: (B, C + 1, h, w) CAM logits, the background's channel last.
        saliency: (B, 1, H, W) in [0, 1].
        label: (B, C) multi-hot image labels.
        overlap_thr: τ, the overlap that a present class must exceed to count as
            foreground.
        fg_weight: λ, the weight of the foreground map.

    Returns:
        0-dim float32 loss in [0, 1].

    Raises:
        ValueError: if the shapes don't belong together.
    """
    batch, channels = logits.shape[:2]
    if saliency.shape[:2] != (batch, 1) or label.shape != (batch, channels - 1):
        raise ValueError(
            f'logits {tuple(logits.shape)} (B, C + 1, h, w) need saliency (B, 1, H, W) '
            f'and labels (B, C), got {tuple(saliency.shape)} and {tuple(label.shape)}'
        )
    prob = logits.softmax(1)[:, :-1]
    target = F.interpolate(saliency.to(prob.dtype), prob.shape[-2:], mode='nearest')
    weights = saliency_class_weights(
        saliency_overlap(prob, target), label, overlap_thr, fg_weight
    )
    estimate = torch.einsum('bc,bchw->bhw', weights, prob)
    return (estimate - target[:, 0]).square().mean()


@MODELS.register_module()
class SaliencyLoss(nn.Module):
    """Module form of :func:`saliency_loss`.

    Args:
        overlap_thr: τ in [0, 1] (published: 0.4; the released code's default is 0.5).
        fg_weight: λ in [0, 1] (published: 0.5 on VOC, 0.9 on COCO).

    Raises:
        ValueError: if one of them is out of range.
    """

    def __init__(self, overlap_thr: float = 0.4, fg_weight: float = 0.5) -> None:
        super().__init__()
        for name, value in (('overlap_thr', overlap_thr), ('fg_weight', fg_weight)):
            if not 0 <= value <= 1:
                raise ValueError(f'{name} must be in [0, 1], got {value}')
        self.overlap_thr, self.fg_weight = overlap_thr, fg_weight

    def forward(self, logits: Tensor, saliency: Tensor, label: Tensor) -> Tensor:
        """See :func:`saliency_loss`."""
        return saliency_loss(logits, saliency, label, self.overlap_thr, self.fg_weight)
