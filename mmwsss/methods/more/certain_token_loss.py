# Licensed under Apache-2.0.
from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS
from mmwsss.structures import ImageLabels

#: of the sums and counts of the release
FLOOR = 1e-4
NORM_FLOOR = 1e-8


@in_float32
def certain_token_loss(
    tokens: Tensor,
    patches: Tensor,
    target: Tensor,
    labels: ImageLabels,
    temperature: float,
) -> Tensor:
    r"""Class tokens attend to the patches that are certainly theirs: L_cle (MoRe).

    With x_p the product of a unit class token and patch p over the temperature, a sum
    over all patches in the denominator, and p over the certain tokens of that class:

    .. math::
        \frac{1}{n + 10^{-4}}\sum_p \Bigl(\log\bigl(\sum_q e^{x_q} +
        10^{-4}\bigr) - x_p\Bigr)

    summed over an image's classes, mean over the images. Released as the logarithm of a
    quotient, which isn't finite at low temperatures; where it is, they are equal.

    Args:
        tokens: (B, C, D) class tokens; the gradient reaches these alone.
        patches: (B, D, h, w), as they are, not normalised.
        target: (B, h, w) int64 token labels: class id where a token is certain.
        labels: classes of each image.
        temperature: of the products.

    Returns:
        0-dim float32 loss, 0 without a certain token.

    Raises:
        ValueError: if the shapes don't belong together or the temperature isn't
            positive.
    """
    check_tokens(tokens, patches, target)
    if temperature <= 0:
        raise ValueError(f'temperature must be positive, got {temperature}')
    unit = F.normalize(labels.gather(tokens), dim=-1, eps=NORM_FLOOR)
    logits = unit @ patches.detach().flatten(2) / temperature
    floor = logits.new_full((*logits.shape[:2], 1), math.log(FLOOR))
    total = torch.cat([logits, floor], -1).logsumexp(-1, keepdim=True)
    certain = target.flatten(1)[:, None] == labels.ids[..., None]
    certain = (certain & labels.mask[..., None]).to(logits.dtype)
    rows = ((total - logits) * certain).sum(-1) / (certain.sum(-1) + FLOOR)
    return rows.sum(1).mean()


def check_tokens(tokens: Tensor, patches: Tensor, target: Tensor) -> None:
    """Raise ValueError unless (B, C, D), (B, D, h, w) and (B, h, w) fit."""
    fits = patches.dim() == 4 and tokens.dim() == 3
    if (
        not fits
        or len(tokens) != len(patches)
        or tokens.shape[2] != patches.shape[1]
        or target.shape != (len(patches), *patches.shape[2:])
    ):
        raise ValueError(
            'class tokens (B, C, D), patches (B, D, h, w) and token labels (B, h, w) '
            f'must fit, got {tuple(tokens.shape)}, {tuple(patches.shape)}, '
            f'{tuple(target.shape)}'
        )


@MODELS.register_module()
class CertainTokenLoss(nn.Module):
    """Module form of :func:`certain_token_loss`.

    Args:
        temperature: of the products (VOC 0.5, COCO 0.1).
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self, tokens: Tensor, patches: Tensor, target: Tensor, labels: ImageLabels
    ) -> Tensor:
        """See :func:`certain_token_loss`."""
        return certain_token_loss(tokens, patches, target, labels, self.temperature)
