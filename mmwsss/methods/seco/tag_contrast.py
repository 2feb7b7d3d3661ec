# Licensed under Apache-2.0.
from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmwsss.io.errors import check_choice
from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS

#: logarithms of sums begin here
FLOOR = 1e-12
#: a similarity this near to the row's maximum is the maximum: the same key twice
SAME = 1e-5


@in_float32
def local_contrast(
    queries: Tensor,
    tags: Tensor,
    keys: Tensor,
    key_tags: Tensor,
    temperature: float,
    base_temperature: float | None = None,
    denominator: str = 'others',
    normaliser: str = 'counted',
    background_pairs: bool = True,
    noise_ratio: float | None = 10.0,
) -> tuple[Tensor, Tensor]:
    r"""Local-to-local contrast of tagged crops L_lil (SeCo, as released).

    X_ij = q_i·k_j / T, less the maximum of its row, which is a constant for the
    gradient; E_ij = exp(X_ij); i and j are a pair if they have the same tag, which
    isn't −1. With Y the X of pairs, S_i the sum of E over the denominator's keys and c
    the number of pairs whose Y isn't 0:

    .. math::
        -\frac{T}{T_b}\frac1N\sum_{i} \frac1c
        \Bigl(\sum_j Y_{ij} - M \log (S_i + \epsilon)\Bigr)

    over the rows whose bracket is negative and whose S isn't 0.

    Args:
        queries: (N, D) unit rows.
        tags: (N,) int64: 1..C, 0 background, −1 uncertain.
        keys: (M, D), without gradient; key_tags: (M,).
        temperature: T; base_temperature: T_b, T by itself.
        denominator: keys in S: ``'others'`` (released): without those tagged −1 and
            without the row's nearest key, which mostly is its own, and that key's
            copies; or ``'all'``.
        normaliser: ``'counted'`` (released, above) or ``'positives'``: the mean of
            X − log S over a row's pairs, then over the rows that have any (supervised
            contrast).
        background_pairs: whether background attracts background (released).
        noise_ratio: a row is noisy if more than this many times as many keys have a Y
            below the row's mean as at or above it: its tag becomes 0, its Y as well;
            ``None``: none is.

    Returns:
        0-dim float32 loss, 0 where no row counts; and the revised tags (N,).

    Raises:
        ValueError: if the shapes don't belong together or a temperature isn't positive.
    """
    _check(queries, tags, keys, temperature, base_temperature)
    unsure = (tags < 0)[:, None]
    logits = queries @ keys.detach().T / temperature
    gaps = (logits - logits.detach().amax(1, keepdim=True)).masked_fill(unsure, 0)
    pairs = (tags[:, None] == key_tags) & ~unsure
    if not background_pairs:
        pairs = pairs & (tags > 0)[:, None]
    noisy = noisy_rows(gaps.detach() * pairs, noise_ratio)
    pairs = pairs & ~noisy[:, None]

    # A tolerance, since not every matrix product gives a key and its copy one number.
    away = gaps.detach().abs() > SAME
    summed = ~unsure.expand_as(gaps)
    if denominator == 'others':
        summed = summed & (key_tags >= 0) & away
    total = (gaps.exp() * summed).sum(1)
    log_total = (total + FLOOR).log()
    if normaliser == 'counted':
        rows = (gaps * pairs).sum(1) - len(keys) * log_total
        count = (pairs & away).sum()
        counts = (count > 0) & (total.detach() > 0) & (rows.detach() < 0)
        mean = (rows * counts).sum() / (len(queries) * count.clamp_min(1))
    else:
        number = pairs.sum(1)
        rows = ((gaps - log_total[:, None]) * pairs).sum(1) / number.clamp_min(1)
        mean = rows.sum() / (number > 0).sum().clamp_min(1)
    factor = temperature / (base_temperature or temperature)
    return -factor * mean, tags.masked_fill(noisy, 0)


def noisy_rows(gaps: Tensor, ratio: float | None) -> Tensor:
    """Which rows have far more keys below their mean than at or above it.

    Args:
        gaps: (N, M) gaps of pairs, 0 for what is no pair; the mean is over all M.
        ratio: how many times more; ``None``: no row is.

    Returns:
        (N,) bool.
    """
    if ratio is None:
        return gaps.new_zeros(len(gaps), dtype=torch.bool)
    below = (gaps < gaps.mean(1, keepdim=True)).sum(1)
    return below / (gaps.shape[1] - below + 1e-6) > ratio


@in_float32
def global_contrast(
    queries: Tensor,
    tags: Tensor,
    prototypes: Tensor,
    temperature: float,
    base_temperature: float | None = None,
    categories: str = 'tagged',
) -> Tensor:
    """Local-to-global contrast with class prototypes L_lig (SeCo, as released).

    The mean of T/T_b times the cross entropy of q_i·p_c / T over classes, over the rows
    with a class.

    Args:
        queries: (N, D) unit rows.
        tags: (N,) int64: 1..C; rows with 0 or −1 contribute nothing.
        prototypes: (C, D), without gradient; row c is class id c + 1.
        temperature: T; base_temperature: T_b, T by itself.
        categories: the classes of the softmax: those ``'tagged'`` in these rows
            (released) or ``'all'``.

    Returns:
        0-dim float32 loss, 0 without a row.

    Raises:
        ValueError: if the shapes don't belong together or a temperature isn't positive.
    """
    _check(queries, tags, prototypes, temperature, base_temperature)
    logits = queries @ prototypes.detach().T / temperature
    known = tags > 0
    channel = (tags - 1).clamp_min(0)
    ids = torch.arange(1, len(prototypes) + 1, device=tags.device)
    summed = (tags[:, None] == ids).any(0) if categories == 'tagged' else ids > 0
    # as released: what is exactly 1 is left out of the sum
    summed = summed & (logits.detach().exp() != 1)
    floor = logits.new_full((len(logits), 1), math.log(FLOOR))
    inside = logits.masked_fill(~summed, float('-inf'))
    log_total = torch.cat([inside, floor], 1).logsumexp(1)
    rows = (logits.gather(1, channel[:, None])[:, 0] - log_total) * known
    factor = temperature / (base_temperature or temperature)
    return -factor * rows.sum() / known.sum().clamp_min(1)


def _check(
    queries: Tensor,
    tags: Tensor,
    others: Tensor,
    temperature: float,
    base_temperature: float | None,
) -> None:
    if queries.shape[1:] != others.shape[1:] or tags.shape != queries.shape[:1]:
        raise ValueError(
            'queries (N, D), tags (N,) and keys or prototypes (M, D) must fit, got '
            f'{tuple(queries.shape)}, {tuple(tags.shape)}, {tuple(others.shape)}'
        )
    if temperature <= 0 or (base_temperature is not None and base_temperature <= 0):
        raise ValueError(
            f'temperatures must be positive, got {temperature} and {base_temperature}'
        )


@MODELS.register_module()
class TagContrast(nn.Module):
    """Both contrastive losses of SeCo: two terms, ``lil`` and ``lig``.

    The second reads the tags that the first has revised.

    Args:
        lil: settings of :func:`local_contrast`, ``temperature`` at least.
        lig: settings of :func:`global_contrast`, ``temperature`` at least.

    Raises:
        ValueError: if a setting is unknown.
    """

    #: the terms that it gives
    TERMS: ClassVar[tuple[str, ...]] = ('lil', 'lig')
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = dict(
        denominator=('others', 'all'),
        normaliser=('counted', 'positives'),
        categories=('tagged', 'all'),
    )

    def __init__(self, lil: dict[str, Any], lig: dict[str, Any]) -> None:
        super().__init__()
        self.lil, self.lig = dict(lil), dict(lig)
        for term, settings in (('lil', self.lil), ('lig', self.lig)):
            for name in settings.keys() & self.CHOICES.keys():
                check_choice(f'{term}.{name}', settings[name], self.CHOICES[name])

    def forward(
        self,
        queries: Tensor,
        tags: Tensor,
        keys: Tensor,
        key_tags: Tensor,
        prototypes: Tensor,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Both terms, and the revised tags (N,), see the functions."""
        lil, revised = local_contrast(queries, tags, keys, key_tags, **self.lil)
        lig = global_contrast(queries, revised, prototypes, **self.lig)
        return dict(lil=lil, lig=lig), revised
