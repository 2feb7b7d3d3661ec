# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmwsss.cam.fusion import NORMALISE
from mmwsss.io.errors import UserError, check_choice
from mmwsss.io.setting_types import check_types

SOURCES = ('online', 'fused')
PAIRS = ('sum', 'max', 'mean')
#: how the views of a running teacher meet
VIEWS = ('scales', 'pair', 'normalise')


@dataclass(frozen=True)
class SelfTrainingCfg:
    """How the teacher's maps become targets: ``self_training`` of the model config.

    Attributes:
        source: ``'online'``: the teacher sees the student's picture. ``'fused'``: its
            fused maps come with the samples (``side_inputs.fused`` of the data set),
            made of the whole image beforehand; no teacher is kept then, and ``scales``,
            ``pair`` and ``normalise`` are settings of the maps' making, not of this.
        scales: of the teacher, each with its mirror; exactly these (a single
            ``(0.5,)`` is that scale alone, SMAF's Table 4); ``None``: the published
            (0.5, 1, 1.5, 2).
        pair, normalise: fusion, see :func:`mmwsss.cam.fuse_cams`; ``None``: those of
            the base model's ``test_cfg`` (``cam.pair``, ``cam.normalise``).
        bkg_thr: constant of the background channel, in (0, 1]. Published: 0.2, for the
            softmax maps of EPS.
        reactivated: ``False`` leaves reactivation out (Table 5); the constant, which
            belongs to it, is then no target: set ``losses.mac.background=False``.
        stride: pixels of the picture a pixel of the target.

    Raises:
        UserError: naming the entry that is out of range, or without effect.
    """

    source: str = 'online'
    scales: Sequence[float] | None = None
    pair: str | None = None
    normalise: str | None = None
    bkg_thr: float = 0.2
    reactivated: bool = True
    stride: int = 4

    def __post_init__(self) -> None:
        try:
            check_types(self, 'self_training')
        except ValueError as error:
            raise UserError(str(error)) from None
        for key, known in (
            ('source', SOURCES),
            ('pair', (None, *PAIRS)),
            ('normalise', (None, *sorted(set(NORMALISE) - {'none'}))),
        ):
            check_choice(f'self_training.{key}', getattr(self, key), known)
        if self.scales is not None and (not self.scales or min(self.scales) <= 0):
            raise UserError(
                f'self_training.scales must hold positive numbers, got {self.scales}'
            )
        self._check_views()
        if not 0 < self.bkg_thr <= 1:
            raise UserError(
                'self_training.bkg_thr must be in (0, 1]: reactivation divides by it '
                f'where nothing is active; got {self.bkg_thr}'
            )
        if self.stride < 1:
            raise UserError(
                f'self_training.stride must be 1 or more, got {self.stride}'
            )

    def _check_views(self) -> None:
        """Refuse an ablation that would change nothing."""
        given = {
            key: getattr(self, key) for key in VIEWS if getattr(self, key) is not None
        }
        if self.source == 'fused' and given:
            raise UserError(
                f"self_training.{next(iter(given))} has no effect with source='fused', "
                f'where the maps in side_inputs.fused decide; got {given}. Set it to '
                'None and '
                'generate the maps so (--cfg-options model.test_cfg.cam.scales=... '
                "model.test_cfg.cam.add_one=False), or set source='online'"
            )
