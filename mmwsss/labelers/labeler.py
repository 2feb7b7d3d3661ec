# Licensed under Apache-2.0.
from __future__ import annotations

import copy
from typing import Any, ClassVar

from torch import Tensor, nn

from mmwsss.structures import ImageLabels
from mmwsss.structures.pseudo_label import PseudoLabel


class Labeler(nn.Module):
    """Base of all labelers: pictures and class maps to pseudo labels.

    It has no weights: models that have one keep their checkpoint keys.
    """

    #: fields of the samples that ``forward`` reads as keyword arguments
    side_inputs: ClassVar[tuple[str, ...]] = ()
    #: names of the thresholds, which are attributes
    THRESHOLDS: ClassVar[tuple[str, ...]] = ()

    def forward(
        self,
        pixels: Tensor,
        cam: Tensor,
        labels: ImageLabels,
        box: Tensor | None = None,
        **side: Tensor,
    ) -> PseudoLabel:
        """Make pseudo labels.

        Args:
            pixels: (B, 3, H, W) RGB grey levels 0..255, float32.
            cam: (B, K, H, W) compact class maps in [0, 1].
            labels: the K classes of each image.
            box: (B, 4) int64 (y0, y1, x0, x1) of the real pixels, or ``None``: all.
            **side: the side inputs named in :attr:`side_inputs`, (B, channels, H, W).
        """
        raise NotImplementedError

    def check_thresholds(self) -> None:
        """Refuse thresholds that contradict each other (``ValueError``)."""

    def with_thresholds(self, **thresholds: Any) -> Labeler:
        """The same labeler with other thresholds; nothing is built again.

        Raises:
            ValueError: if it has no threshold of that name, or they don't fit.
        """
        if not thresholds:
            return self
        unknown = sorted(set(thresholds) - set(self.THRESHOLDS))
        if unknown:
            raise ValueError(
                f'{type(self).__name__} has no thresholds {unknown}; it has '
                f'{list(self.THRESHOLDS)}'
            )
        other = copy.copy(self)
        other.__dict__ = {**self.__dict__, **thresholds}
        other.check_thresholds()
        return other
