# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from torch import nn

from mmwsss.io.errors import check_choice
from mmwsss.io.score_files import DTYPES
from mmwsss.labelers.labeler import Labeler
from mmwsss.labelers.refiners.refiner import build_refiner
from mmwsss.models.prediction.inference_cfg import FILTERS
from mmwsss.pipeline.label_options import (
    build_labeler,
    check_refine,
    labeler_cfg,
    refiner_cfg,
)

#: names of the dense CRF, in small letters
CRF_NAMES = ('crf', 'densecrf')
SAVED = ('cam', 'fused', 'mask', 'prob')
SOURCES = ('cam', 'seg')
SUFFIX = dict(cam='.npz', fused='.npz', mask='.png', prob='.npz')
#: of the maps that are saved, in pixels
STRIDES = dict(cam=4, fused=1, prob=4)


@dataclass(frozen=True)
class GenerateCfg:
    """What is generated from a trained network, and how.

    How masks are made of CAMs is said by ``labeler``, or in short by ``refine``,
    ``bkg_thr``, ``alpha``, ``preset``, ``unary`` and ``num_classes``, which
    :mod:`mmwsss.pipeline.label_options` turns into one.

    Attributes:
        refine: how a mask comes from the maps. ``None``: as the config's labeler makes
            labels, unless ``bkg_thr`` or ``alpha`` say how; ``'none'`` where it has
            none (:func:`.network_maps.with_defaults`). ``'own'``: the pseudo label of
            the network's own labeler. ``'none'``: threshold ``bkg_thr`` on
            the CAM (two: 255 between them). ``'par'``: as ``'own'`` where the labeler
            has two thresholds and a refiner, else PAR on the CAM. ``'crf'``: dense
            CRF. ``'seeds'``: labels for an affinity network, one CRF on the hard label
            of each constant (``affinity_seeds``). ``'rw'``: maps that
            walked within the edges of an affinity network; with a ``preset`` a CRF on
            their hard label follows. Or the name of any registered refiner.
        save: of ``'cam'``, ``'mask'``, ``'prob'`` (softmax of the decoder) and
            ``'fused'``: the class maps that self-training learns from
            (``side_inputs.fused`` of a data set), at full size.
        source: ``'cam'``, or ``'seg'``: masks from the decoder's probabilities.
        split: of the data set; ``None``: that of the training.
        bkg_thr: background of the CAMs. One constant or two, the low one first; of
            seeds the background's, then the foreground's, whichever is larger.
        alpha: background of the CAMs: (1 - max)^alpha instead.
        preset: of the CRF; default: ``toco_cam`` for CAMs, ``toco_seg`` for
            probabilities, ``irn`` for seeds, no CRF after a walk.
        unary: of the CRF: ``'prob'``, or ``'labels'`` (always for seeds, by default
            after a walk).
        cam_filter: whose image labels choose the classes, see :class:`.InferenceCfg`.
        stride: of the maps that are saved, in pixels; default: 1 for ``'fused'``, 4
            for the others.
        dtype: of the maps that are saved: ``'float16'`` or ``'uint8'``.
        num_classes: how many labels the CRF on hard labels counts, background included
            (published: SMAF 21, those of the data set); default: those of the image
            (IRNet, SemFormer).
        labeler: config of the labeler that makes the masks, in the place of all of
            these; after ``refine='rw'`` it decides on the walked maps.

    Raises:
        ValueError: if a value is unknown, or they don't go together.
    """

    refine: str | None = None
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
    labeler: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_refine(self.way)
        for name, known in (
            ('source', SOURCES),
            ('cam_filter', FILTERS),
            ('dtype', DTYPES),
        ):
            check_choice(name, getattr(self, name), known)
        if not self.save or set(self.save) - set(SAVED):
            raise ValueError(f'save must name some of {SAVED}, got {self.save}')
        if self.stride is not None and self.stride < 1:
            raise ValueError(f'stride must be 1 pixel or more, got {self.stride}')
        if 'fused' in self.save:
            self._check_fused()
        self._check_background()
        self._check_labeler()

    def _check_labeler(self) -> None:
        if self.labeler is None:
            return
        short = dict(
            refine=None if self.way in ('none', 'rw') else self.refine,
            bkg_thr=self.bkg_thr or None,
            alpha=self.alpha,
            preset=self.preset,
            unary=self.unary,
            num_classes=self.num_classes,
        )
        given = [f'{key}={value}' for key, value in short.items() if value is not None]
        if given or self.source == 'seg':
            raise ValueError(
                'labeler says all of how masks are made of CAMs, got '
                f'{", ".join(given) or "source=" + repr(self.source)} beside it: '
                'leave one of both out'
            )
        _ = self.built_labeler

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
        if 'mask' not in self.save and self.way != 'none':
            raise ValueError(
                f'refine={self.refine!r} is of masks, fused maps stay as '
                "they are: leave it out, or save 'mask' too"
            )

    def _check_background(self) -> None:
        if self.source == 'seg' and (
            self.bkg_thr or self.alpha is not None or self.way in ('own', 'seeds', 'rw')
        ):
            raise ValueError(
                "source='seg' has a background of its own: no bkg_thr, "
                'alpha, own label, seeds or rw'
            )
        if self.refine == 'seeds' and len(self.bkg_thr) != 2:
            raise ValueError(
                "refine='seeds' needs two constants bkg_thr, the background's and the "
                f"foreground's (published: SemFormer 0.15 0.11), got {self.bkg_thr}"
            )
        if self.alpha is not None and (self.bkg_thr or self.way in ('own', 'seeds')):
            raise ValueError(
                f'alpha={self.alpha} takes the place of bkg_thr, got '
                f'refine={self.refine!r}, bkg_thr={self.bkg_thr}'
            )
        uses_crf = self.way in ('seeds', 'rw') or self.way.lower() in CRF_NAMES
        if not uses_crf and (self.preset or self.unary):
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
        if self.source == 'seg':
            _ = self.built_refiner
        elif self.has_background:
            _ = self.built_labeler  # a preset that isn't there

    @property
    def way(self) -> str:
        """What ``refine`` says; where it says nothing, that of the short options."""
        return 'none' if self.refine is None else self.refine

    @property
    def has_background(self) -> bool:
        """Whether it is said what the background of the maps is."""
        return (
            self.source == 'seg'
            or self.labeler is not None
            or bool(self.bkg_thr)
            or self.alpha is not None
        )

    @property
    def refines(self) -> bool:
        """Whether finished maps are refined with the picture."""
        if self.labeler is not None:
            return self.built_labeler.reads_pixels
        return self.way not in ('own', 'none', 'rw') or self.preset is not None

    @property
    def hard_labels(self) -> bool:
        """Whether masks come from one CRF on hard labels."""
        default = 'labels' if self.refine == 'rw' else 'prob'
        return (
            self.refines
            and (self.way == 'rw' or self.way.lower() in CRF_NAMES)
            and (self.unary or default) == 'labels'
        )

    def stride_of(self, kind: str) -> int:
        """Of the maps of a kind that is saved, in pixels."""
        return STRIDES[kind] if self.stride is None else self.stride

    def refiner_cfg(self) -> dict[str, Any] | None:
        """Config of the refiner that the short options stand for."""
        if not self.refines:
            return None
        hard = self.refine in ('seeds', 'rw')
        refine = 'crf' if hard else self.way
        if refine.lower() not in CRF_NAMES:
            return refiner_cfg(refine)
        default = 'toco_seg' if self.source == 'seg' else 'toco_cam'
        return refiner_cfg(
            refine,
            self.preset or ('irn' if self.refine == 'seeds' else default),
            self.unary or ('labels' if hard else None),
            self.num_classes,
        )

    def labeler_cfg(self) -> dict[str, Any]:
        """Config of what makes masks of CAMs; their background must be known."""
        if self.labeler is not None:
            return dict(self.labeler)
        return labeler_cfg(
            self.bkg_thr, self.alpha, self.refiner_cfg(), self.refine == 'seeds'
        )

    @cached_property
    def built_labeler(self) -> Labeler:
        """What makes masks of CAMs."""
        return build_labeler(self.labeler_cfg())

    @cached_property
    def built_refiner(self) -> nn.Module | None:
        """What refines the decoder's probabilities."""
        return build_refiner(self.refiner_cfg())

    def settings(self) -> dict[str, Any]:
        """By name, all on which a file's content depends."""
        found = {name: value for name, value in asdict(self).items() if name != 'save'}
        if self.labeler is None:  # as folders that were made before have it
            del found['labeler']
        return found | dict(
            stride=self.stride_of('cam'), fused_stride=self.stride_of('fused')
        )
