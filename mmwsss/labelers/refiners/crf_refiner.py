# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from torch import Tensor

from mmwsss.cam import resize
from mmwsss.ops import DENSE_CRF_PRESETS, dense_crf, dense_crf_labels, unary_from_prob
from mmwsss.registry import MODELS

from .refiner import Refiner

UNARIES = ('prob', 'labels')
OPTIONS = ('mode', 'pad_block')  # no part of a preset


@MODELS.register_module(name=['DenseCRF', 'crf'])
class DenseCRF(Refiner):
    """Dense CRF as a refiner of probabilities (Krähenbühl and Koltun, 2011).

    Labels compete in it, so maps of two backgrounds go through one after the other.

    Args:
        preset: a key of ``mmwsss.ops.DENSE_CRF_PRESETS``. ``irn``,
            ``semformer_pseudo`` and ``smaf_pseudo`` are published with
            ``unary='labels'``.
        unary: ``'prob'``: the energy is -log of the probabilities. ``'labels'``: only
            the strongest label of a pixel counts, with the same ``confidence``
            everywhere.
        confidence: probability of the strongest label for ``unary='labels'``.
        num_labels: n for ``unary='labels'``, by which the rest of the confidence is
            shared out: as many as there are maps or more, which occur nowhere (SMAF:
            all of the data set); default: the maps (compact: IRN, SemFormer).
        **settings: single settings of :func:`mmwsss.ops.dense_crf` to replace, e.g.
            ``bi_w=10``, ``bi_xy_std=(80, 60)``, one ``pos_w`` for each label, or
            ``mode='exact'``, ``pad_block=False``.

    Raises:
        ValueError: if the preset or a setting is unknown, or ``num_labels`` goes with
            ``unary='prob'``.
    """

    def __init__(
        self,
        preset: str = 'toco_seg',
        unary: str = 'prob',
        confidence: float = 0.7,
        num_labels: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        if preset not in DENSE_CRF_PRESETS:
            raise ValueError(
                f'preset must be one of {sorted(DENSE_CRF_PRESETS)}, got {preset!r}'
            )
        if unary not in UNARIES:
            raise ValueError(f'unary must be one of {UNARIES}, got {unary!r}')
        if num_labels is not None and unary != 'labels':
            raise ValueError(
                f"num_labels={num_labels} is for unary='labels', got {unary!r}"
            )
        unknown = set(settings) - {*DENSE_CRF_PRESETS[preset], *OPTIONS}
        if unknown:
            raise ValueError(
                f'DenseCRF has no settings {sorted(unknown)}; known: '
                f'{sorted({*DENSE_CRF_PRESETS[preset], *OPTIONS})}'
            )
        self.unary, self.confidence, self.num_labels = unary, confidence, num_labels
        self.settings = {**DENSE_CRF_PRESETS[preset], **settings}

    def forward(self, pixels: Tensor, prob: Tensor) -> Tensor:
        """Refine probabilities.

        Args:
            pixels: (B, 3, H, W) RGB grey levels 0..255.
            prob: (B, L, h, w) probabilities; the pictures are resized to their grid.

        Returns:
            (B, L, h, w) marginals, float32; with more labels than maps, of the maps.

        Raises:
            ValueError: if there are more maps than labels.
        """
        pixels = resize(pixels.float(), tuple(prob.shape[-2:])).round()
        if self.unary == 'prob':
            return dense_crf(pixels, unary_from_prob(prob), **self.settings)
        count = prob.shape[1]
        labels = self.num_labels or count
        if labels < count:
            raise ValueError(f'{count} maps are more than num_labels={labels}')
        marginals: Tensor = dense_crf_labels(
            pixels, prob.argmax(1), labels, self.confidence, **self.settings
        )
        return marginals[:, :count]

    def extra_repr(self) -> str:
        """Parameters for ``print(module)``."""
        settings = ', '.join(f'{k}={v}' for k, v in self.settings.items())
        count = '' if self.num_labels is None else f'num_labels={self.num_labels}, '
        return f'unary={self.unary!r}, {count}{settings}'
