# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmwsss.cam import resize, strided_size
from mmwsss.registry import LABELERS, MODELS
from mmwsss.structures import ImageLabels, PseudoLabel

from .labeler import Labeler


@LABELERS.register_module()
class RandomWalkLabeler(Labeler):
    """The class maps walk within the edges of a trained network, then a rule decides.

    Source: Ahn, Cho and Kwak (IRNet, CVPR 2019), section 4.2; SemFormer takes it over.

    Args:
        walk: config of the walk, ``dict(type='RandomWalk', network=...,
            checkpoint=...)``.
        labeler: config of the rule for the walked maps, e.g.
            ``dict(type='ThresholdLabeler', bkg_thr=0.25)`` (SemFormer). Its thresholds
            are those of this one, and a refiner goes there.
        refiner: refused, since maps have no background before they have walked.

    Raises:
        ValueError: if nothing can walk, or a refiner is given.
    """

    def __init__(
        self,
        walk: dict[str, Any] | nn.Module,
        labeler: dict[str, Any] | Labeler,
        refiner: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if refiner is not None:
            raise ValueError(
                f'RandomWalkLabeler takes no refiner of its own, got {refiner}: give '
                'it to the rule for the walked maps, labeler=dict(..., refiner=...)'
            )
        self.walk = walk if isinstance(walk, nn.Module) else MODELS.build(dict(walk))
        if not isinstance(getattr(self.walk, 'stride', None), int):
            raise ValueError(
                "walk must move class maps, as type='RandomWalk' does; "
                f'{type(self.walk).__name__} has no stride. A refiner goes into labeler'
            )
        self.labeler = (
            labeler if isinstance(labeler, Labeler) else LABELERS.build(dict(labeler))
        )
        self.side_inputs = self.labeler.side_inputs
        self.THRESHOLDS = self.labeler.THRESHOLDS

    def decide(
        self, pixels: Tensor, cam: Tensor, labels: ImageLabels, **side: Tensor
    ) -> PseudoLabel:
        """See :class:`Labeler`."""
        grid = strided_size(tuple(pixels.shape[-2:]), self.walk.stride)
        walked = torch.stack(self.walk(pixels, list(resize(cam, grid))))
        return self.labeler(pixels, labels.valid(walked.to(cam)), labels, **side)

    def with_thresholds(self, **thresholds: float) -> RandomWalkLabeler:
        """The same walk, decided with other thresholds."""
        return RandomWalkLabeler(self.walk, self.labeler.with_thresholds(**thresholds))

    def extra_repr(self) -> str:
        """Its parts say it."""
        return ''
