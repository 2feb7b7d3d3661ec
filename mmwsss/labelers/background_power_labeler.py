# Licensed under Apache-2.0.
from __future__ import annotations

from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from mmwsss.cam import resize, strongest_class
from mmwsss.ops import prob_from_cam
from mmwsss.registry import LABELERS
from mmwsss.structures import ImageLabels, PseudoLabel

from .labeler import Labeler


@LABELERS.register_module()
class BackgroundPowerLabeler(Labeler):
    """The background is as likely as no class is: (1 - strongest class)^alpha.

    Source: Ahn and Kwak (PSA, CVPR 2018), section 3.2; EPS's release. The largest of
    [(1 - max CAM)^alpha, CAM] wins, after refinement where there is a refiner. Nothing
    inside the box is ignored. ``confidence`` is the maximum of ``soft``.

    Args:
        alpha: exponent, > 0: the larger, the less background. PSA 4 to 32.
        refiner: config of the refiner, or ``None``.

    Raises:
        ValueError: if ``alpha`` isn't positive, or the refiner is none.
    """

    READS_PIXELS = False

    def __init__(
        self, alpha: float, refiner: dict[str, Any] | nn.Module | None = None
    ) -> None:
        super().__init__(refiner)
        self.alpha = alpha
        if not isinstance(alpha, Real) or not alpha > 0:
            raise ValueError(f'alpha must be > 0, got {alpha!r}')

    def decide(
        self, pixels: Tensor, cam: Tensor, labels: ImageLabels, **side: Tensor
    ) -> PseudoLabel:
        """See :class:`Labeler`."""
        small = resize(cam, self.grid(pixels))
        soft = prob_from_cam(small, self.alpha)
        if self.refiner is None:
            score, label = strongest_class(small, labels.ids)
            ids = torch.where(score > (1 - score) ** self.alpha, label, 0)
        else:
            soft = self.refine(pixels, soft[:, None], labels)[:, 0]
            ids = labels.to_ids(soft.argmax(1))
        return PseudoLabel(ids, soft, soft.amax(1).clamp(0, 1))

    def extra_repr(self) -> str:
        """Parameters for ``print(module)``."""
        return f'alpha={self.alpha}'
