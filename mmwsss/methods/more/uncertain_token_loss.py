# Licensed under Apache-2.0.
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.io.errors import check_choice
from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS

from .certain_token_loss import NORM_FLOOR, check_tokens
from .uncertain_places import MARGIN, choose_places

#: which token is taken for a place: the one three rows and columns up-left of the
#: uncertain one (released), or that itself
TAKEN = ('corner', 'centre')


@in_float32
def uncertain_token_loss(
    patches: Tensor, tokens: Tensor, labels: Tensor, places: Tensor, shift: int = 0
) -> Tensor:
    r"""Uncertain tokens side with the image's classes: L_une (MoRe).

    With c_k the absolute cosine of a taken token and class token k:

    .. math::
        \tfrac12\Bigl(1 - \frac{\sum_{present} c}{n_{present} + 1}\Bigr)
        + \tfrac12\frac{\sum_{absent} c}{n_{absent} + 1}

    the mean over all taken tokens of the batch.

    Args:
        patches: (B, D, h, w); the gradient reaches these alone.
        tokens: (B, C, D) class tokens.
        labels: (B, C) multi-hot image labels.
        places: (B, P, 2) int64 row and column of the tokens, −1 where there is none.
        shift: added to rows and columns.

    Returns:
        0-dim float32 loss, 0 without a place.
    """
    taken = places[..., 0] >= 0
    inside = places.clamp_min(0) + shift
    index = inside[..., 0] * patches.shape[-1] + inside[..., 1]
    rows = patches.flatten(2).mT
    rows = rows.gather(1, index[..., None].expand(-1, -1, rows.shape[-1]))
    rows = F.normalize(rows, dim=-1, eps=NORM_FLOOR)
    unit = F.normalize(tokens.detach(), dim=-1, eps=NORM_FLOOR)
    cosine = (rows @ unit.mT).abs()
    present = labels.to(cosine.dtype)[:, None]
    absent = 1 - present
    attract = 1 - (cosine * present).sum(-1) / (present.sum(-1) + 1)
    repel = (cosine * absent).sum(-1) / (absent.sum(-1) + 1)
    loss = 0.5 * attract + 0.5 * repel
    return (loss * taken).sum() / taken.sum().clamp_min(1)


@MODELS.register_module()
class UncertainTokenLoss(nn.Module):
    """L_une, see :func:`uncertain_token_loss`.

    Its places are drawn by the generator of the patches' device, see
    :func:`.choose_places`.

    Args:
        taken: which token is taken for a place, see :data:`TAKEN`.

    Raises:
        ValueError: if ``taken`` is unknown.
    """

    def __init__(self, taken: str = 'corner') -> None:
        super().__init__()
        check_choice('losses.une.taken', taken, TAKEN)
        self.shift = MARGIN if taken == 'centre' else 0

    def forward(
        self,
        patches: Tensor,
        tokens: Tensor,
        target: Tensor,
        labels: Tensor,
        places: Tensor | None = None,
    ) -> Tensor:
        """The loss.

        Args:
            patches: (B, D, h, w).
            tokens: (B, C, D).
            target: (B, h, w) int64 token labels, 255 = uncertain.
            labels: (B, C) multi-hot.
            places: (B, P, 2), see :func:`uncertain_token_loss`; ``None``: drawn.

        Raises:
            ValueError: if the shapes don't belong together, or the grid is too small.
        """
        check_tokens(tokens, patches, target)
        if places is None:
            places = self.draw(target)
        return uncertain_token_loss(patches, tokens, labels, places, self.shift)

    def draw(self, target: Tensor) -> Tensor:
        """(B, 8, 2) places of token labels (B, h, w)."""
        batch, height, width = target.shape
        inner = (max(height - 2 * MARGIN, 0), max(width - 2 * MARGIN, 0))
        order = torch.rand(batch, *inner, device=target.device)
        return choose_places(target, order)
