# Licensed under Apache-2.0.
from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mmwsss.cam import IGNORE, resize
from mmwsss.registry import LABELERS
from mmwsss.structures import ImageLabels, PseudoLabel

from .labeler import Labeler, of_one_count
from .refiners.refiner import refine_maps
from .seeds import affinity_seeds


@LABELERS.register_module()
class SeedLabeler(Labeler):
    """Seeds of the affinity stage: certain foreground, certain background, the rest.

    Source: Ahn, Cho and Kwak (IRNet, CVPR 2019), section 4.1, and its release. Hard
    labels are made with two constants and refined one by one; what is foreground in
    the first keeps its class, what is background in both is 0, the rest is 255. The
    rule gives neither soft maps nor a confidence.

    Args:
        fg_thr: background score of the foreground run, in [0, 1]; IRNet 0.30,
            SemFormer 0.11.
        bg_thr: background score of the background run, in [0, 1]; IRNet 0.05,
            SemFormer 0.15: in that order 255 comes only from where the runs disagree.
        refiner: config of the refiner, which is given ones and zeros; published:
            ``dict(type='DenseCRF', preset='irn', unary='labels')``.

    Raises:
        ValueError: if a threshold isn't in [0, 1], or the refiner is none.
    """

    THRESHOLDS = ('fg_thr', 'bg_thr')
    READS_PIXELS = False

    def __init__(
        self,
        fg_thr: float = 0.30,
        bg_thr: float = 0.05,
        refiner: dict[str, Any] | nn.Module | None = None,
    ) -> None:
        super().__init__(refiner)
        self.fg_thr, self.bg_thr = fg_thr, bg_thr
        self.check_thresholds()

    def decide(
        self, pixels: Tensor, cam: Tensor, labels: ImageLabels, **side: Tensor
    ) -> PseudoLabel:
        """See :class:`Labeler`."""
        cam = resize(cam, tuple(pixels.shape[-2:]))
        slots = torch.empty_like(cam[:, 0], dtype=torch.long)
        refine = partial(refine_maps, self.refiner)
        for count, members in of_one_count(labels):
            slots[members] = affinity_seeds(
                pixels[members], cam[members, :count], refine, self.fg_thr, self.bg_thr
            )
        ignored = slots == IGNORE
        ids = labels.to_ids(slots.masked_fill(ignored, 0))
        return PseudoLabel(ids.masked_fill(ignored, IGNORE))
