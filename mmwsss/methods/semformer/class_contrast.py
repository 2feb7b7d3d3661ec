# Licensed under Apache-2.0.
from __future__ import annotations

import torch
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS
from mmwsss.structures import ClassPairs

from .semantics import clamped_cosine

FORMS = ('released', 'paper')


def check_form(form: str) -> str:
    """``form``, one of ``'released'`` and ``'paper'``.

    Raises:
        ValueError: if it is neither.
    """
    if form not in FORMS:
        raise ValueError(f'form must be one of {FORMS}, got {form!r}')
    return form


def masked_mean(values: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    """Mean of the values where the mask is True, 0 where there is none."""
    chosen = torch.where(mask, values, 0.0)
    if dim is None:
        return chosen.sum() / mask.sum().clamp_min(1)
    return chosen.sum(dim) / mask.sum(dim).clamp_min(1)


@in_float32
def class_contrast(
    embedding: Tensor,
    semantics: Tensor,
    attract: Tensor,
    repel: Tensor,
    form: str = 'released',
) -> Tensor:
    r"""Class-foreground and class-background loss (SemFormer, Eq. 7 and 8).

    ``released``, over all pairs of the batch on this device:

    .. math::
        \tfrac12\bigl[(1 - \mathrm{mean}_{attract}\cos)
                      + (1 + \mathrm{mean}_{repel}\cos)\bigr]

    where the mean over nothing is 0. ``paper``, for each image, mean over images:

    .. math::
        \frac1C \sum_c \bigl[\mathrm{mean}_{attract}(1 - \cos)
                             + \mathrm{mean}_{repel}\cos\bigr]

    Each class has one own and C − 1 other entries. (Eq. 7 leaves open whether its
    second sum is averaged over c; here it is.)

    Args:
        embedding: (P, S, D) of the P composed images for the S present classes.
        semantics: (P, S, D) of those classes.
        attract, repel: (P, S) bool, whose similarity is to grow and to shrink; no
            entry is in both.
        form: ``'released'`` or ``'paper'``.

    Returns:
        0-dim float32 loss, in [0, 2] for non-negative vectors.
    """
    cosine = clamped_cosine(embedding, semantics)
    if check_form(form) == 'released':
        return (
            (1 - masked_mean(cosine, attract)) + (1 + masked_mean(cosine, repel))
        ) / 2
    each = masked_mean(1 - cosine, attract, 1) + masked_mean(cosine, repel, 1)
    share = 1 / (attract | repel).sum(1)  # 1 / C; over an image's pairs they sum to 1
    return (each * share).sum() / share.sum()


class _ClassContrast(nn.Module):
    """Settings that both losses share.

    Args:
        form: ``'released'`` or ``'paper'``, see :func:`class_contrast`.
    """

    def __init__(self, form: str = 'released') -> None:
        super().__init__()
        self.form = check_form(form)


@MODELS.register_module()
class ClassForegroundLoss(_ClassContrast):
    """L_CF: the foreground image of a class shows this class and no other."""

    def forward(
        self, embedding: Tensor, semantics: Tensor, pairs: ClassPairs
    ) -> Tensor:
        """See :func:`class_contrast`.

        Args:
            embedding: (P, S, D) of the foreground images.
            semantics: (P, S, D) of the classes of the pairs' images.
            pairs: which entry is the pair's own class.
        """
        return class_contrast(embedding, semantics, pairs.own, pairs.other, self.form)


@MODELS.register_module()
class ClassBackgroundLoss(_ClassContrast):
    """L_CB: what a class leaves of an image shows the others and no more of it."""

    def forward(
        self, embedding: Tensor, semantics: Tensor, pairs: ClassPairs
    ) -> Tensor:
        """See :func:`class_contrast`.

        Args:
            embedding: (P, S, D) of the background images.
            semantics: (P, S, D) of the classes of the pairs' images.
            pairs: which entry is the pair's own class.
        """
        return class_contrast(embedding, semantics, pairs.other, pairs.own, self.form)
