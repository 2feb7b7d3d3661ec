# Licensed under Apache-2.0.
from __future__ import annotations

import torch
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS
from mmwsss.structures import ClassPairs

from .class_contrast import check_form, masked_mean
from .complement import strongest_other


@in_float32
def activation_complementation(
    maps: Tensor,
    present: Tensor,
    valid: Tensor | None = None,
    partners: Tensor | None = None,
    per_image: bool = False,
) -> Tensor:
    r"""Activation complementation loss L_AC (SemFormer, Eq. 10 and 11).

    .. math::
        \mathrm{mean}\,(M_c + \max_{c' \ne c} M_{c'} - 1)^2

    over the present classes c and valid pixels; 0 where nothing remains. The gradient
    flows through both terms.

    Args:
        maps: (B, S, h, w) activation in [0, 1].
        present: (B, S) bool, the classes c.
        valid: (B, h, w) bool, the pixels that count, or ``None``: all.
        partners: (B, S) bool, the classes c'; ``None``: those present (released).
            A class without a partner is left out.
        per_image: mean of the images' means (paper), else one mean over the batch.

    Returns:
        0-dim float32 loss in [0, 1].

    Raises:
        ValueError: if the shapes don't belong together.
    """
    if maps.shape[:2] != present.shape:
        raise ValueError(
            f'maps (B, S, h, w) = {tuple(maps.shape)} need present '
            f'(B, S), got {tuple(present.shape)}'
        )
    partners = present if partners is None else partners
    error = (maps + strongest_other(maps, partners) - 1).square()
    paired = partners.sum(1, keepdim=True) > partners.int()
    counted = (present & paired)[..., None, None].expand_as(maps)
    if valid is not None:
        counted = counted & valid[:, None]
    if not per_image:
        return masked_mean(error, counted)
    means = masked_mean(error.flatten(1), counted.flatten(1), 1)
    return masked_mean(means, torch.ones_like(means, dtype=torch.bool))


@MODELS.register_module()
class ActivationComplementation(nn.Module):
    """Module form of :func:`activation_complementation`.

    Args:
        form: ``'released'``: partners are the other *present* classes, mean over the
            batch; ``'paper'``: partners are all other classes, mean of the images'.
    """

    def __init__(self, form: str = 'released') -> None:
        super().__init__()
        self.form = check_form(form)

    def forward(
        self, maps: Tensor, pairs: ClassPairs, valid: Tensor | None = None
    ) -> Tensor:
        """See :func:`activation_complementation`.

        Args:
            maps: (B, K, h, w) of all classes.
            pairs: the present ones.
            valid: (B, h, w) bool, or ``None``.
        """
        if self.form == 'released':
            return activation_complementation(pairs.gather(maps), pairs.mask, valid)
        present = pairs.score > 0
        return activation_complementation(
            maps, present, valid, torch.ones_like(present), per_image=True
        )
