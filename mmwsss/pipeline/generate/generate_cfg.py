# Licensed under Apache-2.0.
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mmwsss.cam import check_thresholds
from mmwsss.io.score_files import DTYPES
from mmwsss.models.inference_cfg import FILTERS
from mmwsss.pipeline.refine.refine_cfg import RefineCfg

REFINERS = ('none', 'par', 'crf', 'seeds', 'rw')
SAVED = ('cam', 'fused', 'mask', 'prob')
SOURCES = ('cam', 'seg')
SUFFIX = dict(cam='.npz', fused='.npz', mask='.png', prob='.npz')
#: of the maps that are saved, in pixels
STRIDES = dict(cam=4, fused=1, prob=4)


@dataclass(frozen=True)
class GenerateCfg:
    """What is generated from a trained network, and how.

    Attributes:
        refine: how a mask comes from the maps. ``'none'``: threshold ``bkg_thr`` on
            the CAM (two: 255 between them). ``'par'``: the network's own refined
            pseudo label where it has a refiner, else PAR on the CAM. ``'crf'``: dense
            CRF. ``'seeds'``: labels for an affinity network, one CRF on the hard label
            of each constant (``affinity_seeds``). ``'rw'``: maps that
            walked within the edges of an affinity network; with a ``preset`` a CRF on
            their hard label follows.
        save: of ``'cam'``, ``'mask'``, ``'prob'`` (softmax of the decoder) and
            ``'fused'``: the class maps that self-training learns from
            (``side_inputs.fused`` of a data set), at full size.
        source: ``'cam'``, or ``'seg'``: masks from the decoder's probabilities.
        split: of the data set; ``None``: that of the training.
        bkg_thr: background of the CAMs. One constant or two (low, high); of seeds the
            background's, then the foreground's constant, in whatever order they are.
        alpha: background of the CAMs: (1 - max)^alpha instead.
        preset: of the CRF; default: ``toco_cam`` for CAMs, ``toco_seg`` for
            probabilities, ``irn`` for seeds, no CRF after a walk.
        unary: of the CRF: ``'prob'``, or ``'labels'`` (always for seeds, by default
            after a walk).
        cam_filter: whose image labels choose the classes: ``'gt'``, ``'pred'`` or
            ``'none'``.
        stride: of the maps that are saved, in pixels; default: 1 for ``'fused'``, 4
            for the others.
        dtype: of the maps that are saved: ``'float16'`` or ``'uint8'``.
        num_classes: how many labels the CRF on hard labels counts, background included
            (published: SMAF 21, those of the data set); default: those of the image
            (IRNet, SemFormer).

    Raises:
        ValueError: if a value is unknown, or they don't go together.
    """

    refine: str = 'none'
    save: tuple[str, ...] = ('cam', 'mask')
    source: str = 'cam'
    split: str | None = None
    bkg_thr: tuple[float, ...] = ()
    alpha: float | None = None
    preset: str | None = None
    unary: str | None = None
    cam_filter: str = 'gt'
    stride: int | None = None
    dtype: str = 'float16'
    num_classes: int | None = None

    def __post_init__(self) -> None:
        for name, known in (
            ('refine', REFINERS),
            ('source', SOURCES),
            ('cam_filter', FILTERS),
            ('dtype', DTYPES),
        ):
            if getattr(self, name) not in known:
                raise ValueError(
                    f'{name} must be one of {known}, got {getattr(self, name)!r}'
                )
        if not self.save or set(self.save) - set(SAVED):
            raise ValueError(f'save must name some of {SAVED}, got {self.save}')
        if self.stride is not None and self.stride < 1:
            raise ValueError(f'stride must be 1 pixel or more, got {self.stride}')
        if 'fused' in self.save:
            self._check_fused()
        self._check_background()

    def _check_fused(self) -> None:
        if self.cam_filter != 'gt':
            raise ValueError(
                'fused maps are those of the classes of the image label: '
                f"cam_filter='gt', got {self.cam_filter!r}"
            )
        if self.refine == 'rw':
            raise ValueError(
                "fused maps are the network's own; for walked ones save 'cam'"
            )
        if 'mask' not in self.save and self.refine != 'none':
            raise ValueError(
                f'refine={self.refine!r} is of masks, fused maps stay as '
                "they are: leave it out, or save 'mask' too"
            )

    def _check_background(self) -> None:
        if self.source == 'seg' and (
            self.bkg_thr or self.alpha is not None or self.refine in ('seeds', 'rw')
        ):
            raise ValueError(
                "source='seg' has a background of its own: no bkg_thr, "
                'alpha, seeds or rw'
            )
        if self.refine == 'seeds' and len(self.bkg_thr) != 2:
            raise ValueError(
                "refine='seeds' needs two constants bkg_thr, the background's and the "
                f"foreground's (published: SemFormer 0.15 0.11), got {self.bkg_thr}"
            )
        if self.refine == 'none' and len(self.bkg_thr) == 2 and self.alpha is None:
            check_thresholds(*self.bkg_thr)
        if self.alpha is not None and (self.bkg_thr or self.refine == 'seeds'):
            raise ValueError(
                f'alpha={self.alpha} takes the place of bkg_thr, got '
                f'refine={self.refine!r}, bkg_thr={self.bkg_thr}'
            )
        if self.refine in ('none', 'par') and (self.preset or self.unary):
            raise ValueError(
                f'preset and unary are settings of the CRF; refine is {self.refine!r}'
            )
        if self.refine == 'seeds' and self.unary == 'prob':
            raise ValueError("seeds are made of hard labels: unary='labels'")
        if self.num_classes is not None and not self.hard_labels:
            raise ValueError(
                f'num_classes={self.num_classes} counts the labels of a CRF on hard '
                "ones: give refine='crf' with unary='labels', or refine='rw' with a "
                'preset'
            )
        if self.refines and self.has_background:
            _ = self.refiner  # a preset that isn't there

    @property
    def has_background(self) -> bool:
        """Whether it is said what the background of the maps is."""
        return self.source == 'seg' or bool(self.bkg_thr) or self.alpha is not None

    @property
    def refines(self) -> bool:
        """Whether finished maps are refined with the picture."""
        return self.refine in ('par', 'crf', 'seeds') or self.preset is not None

    @property
    def hard_labels(self) -> bool:
        """Whether masks come from one CRF on hard labels."""
        default = 'labels' if self.refine == 'rw' else 'prob'
        return (
            self.refines
            and self.refine in ('crf', 'rw')
            and (self.unary or default) == 'labels'
        )

    def stride_of(self, kind: str) -> int:
        """Of the maps of a kind that is saved, in pixels."""
        return STRIDES[kind] if self.stride is None else self.stride

    @property
    def refiner(self) -> RefineCfg:
        """How finished maps are refined."""
        refine = 'par' if self.refine == 'par' else 'crf'
        if self.source == 'seg':
            return RefineCfg(
                refine, self.preset, 'prob', self.unary, num_classes=self.num_classes
            )
        hard = self.refine in ('seeds', 'rw')
        preset = self.preset or ('irn' if self.refine == 'seeds' else None)
        return RefineCfg(
            refine,
            preset,
            'cam',
            self.unary or ('labels' if hard else None),
            self.bkg_thr,
            self.alpha,
            self.num_classes,
        )

    def settings(self) -> dict[str, Any]:
        """By name, all on which a file's content depends."""
        found = {name: value for name, value in asdict(self).items() if name != 'save'}
        return found | dict(
            stride=self.stride_of('cam'), fused_stride=self.stride_of('fused')
        )
