# Licensed under Apache-2.0.
from __future__ import annotations

import torch
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS
from mmwsss.structures import ImageLabels

from .reactivation import relu_attention, softmax_attention

KINDS = ('softmax', 'relu')


@in_float32
def softmax_consistency(
    logits: Tensor, target: Tensor, background: bool = True
) -> Tensor:
    r"""L_mac of a network with a background channel (SMAF, Eq. 9; its release).

    .. math:: L_{mac} = \operatorname{mean}\,(M - F')^2

    over batch, all C + 1 channels and pixels; M is the softmax of the logits.

    Args:
        logits: (B, C + 1, h, w), the background last.
        target: (B, C + 1, H, W) in [0, 1], see ``attention_target``.
        background: ``False``: over the C classes alone, as Eq. 9 is written; the
            background then takes what they leave.

    Returns:
        0-dim float32 loss in [0, 1].

    Raises:
        ValueError: if the channels differ.
    """
    if logits.shape[:2] != target.shape[:2]:
        raise ValueError(
            f'logits {tuple(logits.shape)} and target {tuple(target.shape)} must agree '
            "in images and channels, background included; kind='softmax' is for heads "
            "with a background channel, kind='relu' for the others"
        )
    attention = softmax_attention(logits, tuple(target.shape[-2:]))
    channels = slice(None if background else -1)
    return (attention - target)[:, channels].square().mean()


def relu_consistency(
    logits: Tensor, target: Tensor, labels: ImageLabels, background: bool = False
) -> Tensor:
    r"""L_mac of a network without background channel (SMAF's release).

    The mean of :math:`(M - F')^2` over pixels and over the classes that the images
    hold. M is the ReLU of the logits, divided by its detached maximum. Absent classes
    are left to L_cls.

    Args:
        logits: (B, C, h, w).
        target: (B, C + 1, H, W) in [0, 1], the background last.
        labels: the classes of the images.
        background: one more channel a picture: 1 − max_k M_k against the background's
            target.

    Returns:
        0-dim float32 loss in [0, 1]; 0 where no image holds a class.

    Raises:
        ValueError: if the channels don't belong together.
    """
    if logits.shape[1] + 1 != target.shape[1]:
        raise ValueError(
            f'logits {tuple(logits.shape)} need a target of one channel more, the '
            f"background, got {tuple(target.shape)}; kind='relu' is for heads without "
            "a background channel, kind='softmax' for those with one"
        )
    present, wanted = labels.gather(logits), labels.gather(target[:, :-1])
    return _masked_mean(present, wanted, target[:, -1:], labels.mask, background)


@in_float32
def _masked_mean(
    logits: Tensor,
    wanted: Tensor,
    wanted_background: Tensor,
    mask: Tensor,
    background: bool,
) -> Tensor:
    """Mean square over the valid slots (B, K) and, if asked for, the background."""
    attention = relu_attention(logits, tuple(wanted.shape[-2:]))
    attention = attention * mask[..., None, None]
    if background:
        rest = 1 - attention.amax(1, keepdim=True)
        attention = torch.cat([attention, rest], 1)
        wanted = torch.cat([wanted, wanted_background], 1)
        mask = torch.cat([mask, mask.any(1, keepdim=True)], 1)
    error = (attention - wanted).square().mean((-2, -1)) * mask
    return error.sum() / mask.sum().clamp_min(1)


@MODELS.register_module()
class AttentionConsistency(nn.Module):
    """L_mac: the student's attention against the refined attention of its teacher.

    Args:
        kind: how logits become attention. ``'softmax'``: the head has a background
            channel, the last one (EPS); see :func:`softmax_consistency`. ``'relu'``:
            it has none (CAM, ToCo, FSR, AFA, SemFormer); see
            :func:`relu_consistency`.
        background: compare the background, too; ``None``: where the network has a
            channel for it (published).

    Raises:
        ValueError: if the kind is unknown.
    """

    def __init__(self, kind: str = 'softmax', background: bool | None = None) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f'kind must be one of {KINDS}, got {kind!r}')
        self.kind = kind
        self.background = kind == 'softmax' if background is None else background

    def forward(self, logits: Tensor, target: Tensor, labels: ImageLabels) -> Tensor:
        """The loss of dense CAM logits with gradient, see the functions.

        Args:
            logits: (B, C + 1, h, w) or (B, C, h, w).
            target: (B, C + 1, H, W).
            labels: the classes of the images.
        """
        if self.kind == 'softmax':
            return softmax_consistency(logits, target, self.background)
        return relu_consistency(logits, target, labels, self.background)
