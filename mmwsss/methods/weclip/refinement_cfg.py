# Licensed under Apache-2.0.
from __future__ import annotations

from dataclasses import dataclass

from mmwsss.io.errors import UserError, check_choice
from mmwsss.io.setting_types import check_types

from .attention_choice import DISTANCES


@dataclass(frozen=True)
class RefinementCfg:
    """How class maps are refined by attention (WeCLIP, RFM): ``model.refinement``.

    Attributes:
        threshold: λ of the boxes around a map's regions, which say where values come
            from: 0.4 on VOC, 0.7 on COCO; ``None``: they come from everywhere (WeCLIP+
            on VOC).
        last_before: blocks whose attention is averaged before the decoder has a say.
        last_after: among how many of the last blocks is chosen afterwards: 6 on VOC, 10
            on COCO.
        distance: how blocks are compared with the decoder's affinity, see
            :func:`.layer_distances`.
        rounds, squarings, closed: as ``model.affinity`` of CLIP-ES.
    """

    threshold: float | None = 0.4
    last_before: int = 8
    last_after: int = 6
    distance: str = 'signed'
    rounds: int = 3
    squarings: int = 1
    closed: bool = False

    def __post_init__(self) -> None:
        check_types(self, 'model.refinement')
        check_choice('model.refinement.distance', self.distance, DISTANCES)
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UserError(
                f'model.refinement.threshold must be in [0, 1], got {self.threshold}'
            )
        numbers = (self.last_before - 1, self.last_after - 1, self.rounds)
        if min(*numbers, self.squarings) < 0:
            raise UserError(
                'model.refinement needs last_before and last_after >= 1, rounds and '
                f'squarings >= 0, got {self}'
            )

    @property
    def blocks(self) -> int:
        """How many of the last blocks must tell their attention."""
        return max(self.last_before, self.last_after)
