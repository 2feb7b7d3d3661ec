# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from torch import Tensor

from mmwsss.cam import resize
from mmwsss.io.errors import check_choice
from mmwsss.ops import DENSE_CRF_PRESETS, dense_crf, dense_crf_labels, unary_from_prob
from mmwsss.registry import MODELS

from .refiner import Refiner

UNARIES = ('prob', 'half', 'labels')
PICTURES = ('plain', 'wrapped')
#: of the wrapped picture: red, green, blue
CAFFE_MEAN = (122.675, 116.669, 104.008)
OPTIONS = ('mode', 'pad_block')  # no part of a preset


@MODELS.register_module(name=['DenseCRF', 'crf'])
class DenseCRF(Refiner):
    """Dense CRF as a refiner of probabilities (Krähenbühl and Koltun, 2011).

    Labels compete in it, so maps of two backgrounds go through one after the other.

    Args:
        preset: a key of ``mmwsss.ops.DENSE_CRF_PRESETS``. ``irn``,
            ``semformer_pseudo`` and ``smaf_pseudo`` are published with
            ``unary='labels'``.
        unary: ``'prob'``: the energy is -log of the probabilities. ``'half'``: the
            same, in half precision (CLIP-ES as released). ``'labels'``: only the
            strongest label of a pixel counts, with the same ``confidence`` everywhere.
        confidence: probability of the strongest label for ``unary='labels'``.
        num_labels: n for ``unary='labels'``, by which the rest of the confidence is
            shared out: as many as there are maps or more, which occur nowhere (SMAF:
            all of the data set); default: the maps (compact: IRN, SemFormer).
        picture: ``'plain'``, or ``'wrapped'``: the mean color of Caffe's networks
            is subtracted and what falls below 0 wraps round, as in 8-bit numbers
            (CLIP-ES as released, whose numbers belong to that), see
            :func:`wrapped_picture`.
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
        picture: str = 'plain',
        **settings: Any,
    ) -> None:
        super().__init__()
        check_choice('picture', picture, PICTURES)
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
        self.picture = picture
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
        if self.picture == 'wrapped':
            pixels = wrapped_picture(pixels)
        if self.unary != 'labels':
            half = self.unary == 'half'
            unary = half_unary(prob) if half else unary_from_prob(prob)
            return dense_crf(pixels, unary, **self.settings)
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
        picture = '' if self.picture == 'plain' else f'picture={self.picture!r}, '
        return f'unary={self.unary!r}, {picture}{count}{settings}'


def wrapped_picture(pixels: Tensor) -> Tensor:
    """Grey levels less the mean of Caffe's networks, cut to 8 bits.

    Fractions are cut off, negative values count on from 256: dark regions are torn
    apart (CLIP-ES as released). Of such a picture the lattice gives something else for
    another order of the channels.

    Args:
        pixels: (B, 3, H, W) RGB, 0..255.

    Returns:
        (B, 3, H, W) float32 whole numbers 0..255, blue first.
    """
    mean = pixels.new_tensor(CAFFE_MEAN).view(3, 1, 1)
    return (pixels - mean).trunc().remainder(256).flip(1)


def half_unary(prob: Tensor) -> Tensor:
    """-log(clip(p, 1e-5, 1)), each step in half precision.

    Args:
        prob: (B, L, H, W).

    Returns:
        (B, L, H, W) float32 energies.
    """
    # steps of a float16 computation: float32 in between, rounded after each
    floor = prob.new_tensor(1e-5).half().float()
    clipped = prob.half().float().clamp(floor, 1.0)
    return -clipped.log().half().float()
