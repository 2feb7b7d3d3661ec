# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmwsss.cam import resize, strongest_class, threshold_label
from mmwsss.registry import LABELERS
from mmwsss.structures import ImageLabels, PseudoLabel

from .labeler import Labeler
from .soft_maps import background_stacks


@LABELERS.register_module()
class ThresholdLabeler(Labeler):
    """The strongest class where it is above a constant, else background.

    Nothing inside the box is ignored. Without a refiner: arg max of [constant, CAM],
    as CAMs are scored everywhere; ``confidence`` is the score of a class, and 1 minus
    the strongest score of the background. With one: the softmax of [constant, CAM] is
    refined (IRNet, SemFormer and SMAF: a dense CRF with ``unary='labels'``), and
    ``confidence`` is its maximum.

    Args:
        bkg_thr: score of the background, in [0, 1], which also wins a tie.
        refiner: config of the refiner, or ``None``.

    Raises:
        ValueError: if ``bkg_thr`` isn't in [0, 1], or the refiner is none.
    """

    THRESHOLDS = ('bkg_thr',)
    READS_PIXELS = False

    def __init__(
        self, bkg_thr: float, refiner: dict[str, Any] | nn.Module | None = None
    ) -> None:
        super().__init__(refiner)
        self.bkg_thr = bkg_thr
        self.check_thresholds()

    def decide(
        self, pixels: Tensor, cam: Tensor, labels: ImageLabels, **side: Tensor
    ) -> PseudoLabel:
        """See :class:`Labeler`."""
        if self.refiner is None:
            cam = resize(cam, tuple(pixels.shape[-2:]))
            score, label = strongest_class(cam, labels.ids)
            ids = threshold_label(score, label, self.bkg_thr)
            return PseudoLabel(ids, None, torch.where(ids > 0, score, 1 - score))
        small = resize(cam, self.grid(pixels))
        stacks = background_stacks(small, labels, (self.bkg_thr,))
        soft = self.refine(pixels, stacks, labels)[:, 0]
        ids = labels.to_ids(soft.argmax(1))
        return PseudoLabel(ids, soft, soft.amax(1).clamp(0, 1))
