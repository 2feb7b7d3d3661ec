# Licensed under Apache-2.0.
"""Refine score maps with their images: settings, one image, one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmwsss.cam import IGNORE
from mmwsss.datasets.side_inputs.declaration import SideFile
from mmwsss.io.data_errors import ScoreError
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import read_rgb, to_tensor
from mmwsss.io.score_files import KINDS, load_scores
from mmwsss.labelers.labeler import Labeler, labels_of_ids
from mmwsss.labelers.refiners.refiner import build_refiner, refine_maps, refiner_names
from mmwsss.pipeline.label_options import (
    build_labeler,
    labeler_cfg,
    refiner_cfg,
    without_side_inputs,
)

#: presets of the dense CRF by what it is given
DEFAULT_PRESETS = dict(prob='toco_seg', cam='toco_cam', label='irn')


class Task(NamedTuple):
    """The files of one image.

    Attributes:
        image, scores, out: its picture, its maps, its label.
        known: of pixels whose class is known, if any.
        side: by name, what the labeler takes besides.
    """

    image: str
    scores: str
    out: str
    known: str | None = None
    side: tuple[tuple[str, SideFile], ...] = ()


class Item(NamedTuple):
    """One image, read: (3, H, W) uint8, (L, H, W) float32, L class ids.

    ``side``: by name, what the labeler takes besides, (H, W) each.
    """

    pixels: Tensor
    maps: Tensor
    ids: Tensor
    side: Mapping[str, Tensor] = MappingProxyType({})


@dataclass(frozen=True)
class RefineCfg:
    """How maps become labels.

    Attributes:
        refine: ``'crf'``, ``'par'`` or another registered refiner.
        preset: of the CRF, a key of ``mmwsss.ops.DENSE_CRF_PRESETS``; default by kind:
            ``toco_seg`` for probabilities, ``toco_cam`` for CAMs, ``irn`` for labels.
        kind: what the maps are: ``'prob'``, ``'cam'`` or ``'label'``.
        unary: of the CRF: ``'prob'`` or ``'labels'``, see
            ``DenseCRF``; default: ``'labels'`` for labels.
        bkg_thr: background of CAMs: one constant, or two, the low one first, between
            which a pixel becomes 255.
        alpha: background of CAMs: (1 - max)^alpha instead.
        num_classes: of hard labels (kind ``'label'``, or unary ``'labels'``),
            background included; default: compact, those that occur in a file of labels,
            or that a file of maps has.
        labeler: config of the labeler of CAMs, in the place of all settings but
            ``kind``, ``num_classes``, ``side_inputs`` and ``palette``. Of
            probabilities and labels it gets the maps of the classes, those of a label
            being 0 and 1, without the background's.
        side_inputs: what the labeler takes besides, declared as in a data set
            (``segments=dict(dir=..., kind='segments', root='.')``), named as the
            images.
        picture: how the pictures are read, entries of :class:`.PictureRule`; default:
            8-bit RGB, turned upright.
        palette: colours (K, 3) of the PNGs, default VOC's.
    """

    refine: str = 'crf'
    preset: str | None = None
    kind: str = 'prob'
    unary: str | None = None
    bkg_thr: tuple[float, ...] = ()
    alpha: float | None = None
    num_classes: int | None = None
    labeler: Mapping[str, Any] | None = None
    side_inputs: Mapping[str, Mapping[str, Any]] | None = None
    picture: Mapping[str, Any] | None = None
    palette: Sequence[Sequence[int]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.refine not in refiner_names() or self.kind not in KINDS:
            raise ValueError(
                f'refine must be one of {refiner_names()} and kind one of {KINDS}, got '
                f'{self.refine!r} and {self.kind!r}'
            )
        if not self.is_crf and (self.preset or self.unary):
            raise ValueError(
                f'preset and unary are settings of the CRF, not of {self.refine!r}'
            )
        if self.kind != 'cam' and (self.bkg_thr or self.alpha is not None):
            raise ValueError(
                f'bkg_thr and alpha give CAMs a background; kind is {self.kind!r}'
            )
        PictureRule.of(self.picture)  # checks the entries
        hard = self.kind == 'label' or self.unary == 'labels'
        if self.num_classes is not None and not hard:
            raise ValueError(
                "num_classes is for hard labels, those of unary='labels' "
                f'too; kind is {self.kind!r}'
            )
        self._check_labeler()
        _ = self.built_labeler if self.uses_labeler else self.built_refiner

    def _check_labeler(self) -> None:
        others = (self.preset, self.unary, self.bkg_thr or None, self.alpha)
        if self.labeler is None:
            if self.side_inputs and self.kind != 'cam':
                raise ValueError(
                    f'{sorted(self.side_inputs)} are read by a labeler: give one, '
                    "labeler=dict(type='SegmentVote', bkg_thr=0.5)"
                )
            return
        if any(value is not None for value in others):
            raise ValueError(
                'labeler says all of how labels are made: leave out preset, unary, '
                f'bkg_thr and alpha; kind is {self.kind!r}'
            )

    @property
    def uses_labeler(self) -> bool:
        """Whether a labeler makes the labels; else they are refined maps."""
        return self.kind == 'cam' or self.labeler is not None

    @property
    def rule(self) -> PictureRule | None:
        """How the pictures are read."""
        return PictureRule.of(self.picture)

    @property
    def is_crf(self) -> bool:
        """Whether the refiner is the dense CRF."""
        return self.refine in ('crf', 'DenseCRF')

    def refiner_cfg(self) -> dict[str, Any]:
        """Config of the refiner."""
        if not self.is_crf:
            return refiner_cfg(self.refine)
        return refiner_cfg(
            self.refine,
            self.preset or DEFAULT_PRESETS[self.kind],
            self.unary or ('labels' if self.kind == 'label' else 'prob'),
            self.num_classes,
        )

    @cached_property
    def built_refiner(self) -> nn.Module:
        """What refines probabilities or labels."""
        return build_refiner(self.refiner_cfg())

    @cached_property
    def built_labeler(self) -> Labeler:
        """What makes labels of maps of classes.

        Raises:
            ValueError: if it isn't said what their background is, or the labeler needs
                what isn't given, or doesn't read what is.
        """
        labeler = build_labeler(
            self.labeler or labeler_cfg(self.bkg_thr, self.alpha, self.refiner_cfg())
        )
        return without_side_inputs(
            labeler,
            'give --segments DIR, or generate masks with it '
            '(tools/generate_pseudo_labels.py)',
            self.side_inputs or (),
        )


def read_item(cfg: RefineCfg, task: Task) -> Item:
    """Read the image and its maps.

    Raises:
        DataError: if one can't be read, or they don't fit.
    """
    pixels = read_rgb(task.image, cfg.rule)
    maps = load_scores(task.scores, cfg.kind, pixels.shape[:2], cfg.num_classes)
    if cfg.num_classes is not None and maps.ids.max(initial=0) >= cfg.num_classes:
        raise ScoreError(
            task.scores,
            f'has a map of class {maps.ids.max()}, but num_classes={cfg.num_classes}',
            'raise num_classes',
        )
    if len(maps.ids) > IGNORE:
        raise ScoreError(task.scores, f'has {len(maps.ids)} maps', 'give 255 at most')
    if cfg.uses_labeler:  # the background is the labeler's
        kept = maps.ids > 0
        maps = maps._replace(scores=maps.scores[kept], ids=maps.ids[kept])
    info = dict(img_path=task.image, ori_shape=pixels.shape[:2], picture=cfg.rule)
    side = {name: _read_side(file, info) for name, file in task.side}
    return Item(
        to_tensor(pixels),
        torch.from_numpy(maps.scores),
        torch.from_numpy(maps.ids),
        side,
    )


def _read_side(file: SideFile, info: Mapping[str, Any]) -> Tensor:
    """A side input (H, W) of one image."""
    return file.kind.pack(file.kind.load(file.path, info)).data.squeeze(0)


@torch.no_grad()
def refine_items(
    cfg: RefineCfg, items: Sequence[Item], device: str = 'cpu'
) -> list[np.ndarray]:
    """Labels (H, W) uint8 of images of one size and number of maps, at once."""
    pixels = torch.stack([item.pixels for item in items]).to(device).float()
    maps = torch.stack([item.maps for item in items]).to(device)
    ids = torch.stack([item.ids for item in items]).to(device)
    if cfg.uses_labeler:
        side = {
            name: torch.stack([item.side[name] for item in items]).to(device)
            for name in items[0].side
        }
        labels = labels_of_ids(ids)
        label = cfg.built_labeler.to(device)(pixels, maps, labels, **side).ids
    else:
        slots = refine_maps(cfg.built_refiner.to(device), pixels, maps).argmax(1)
        label = ids.gather(1, slots.flatten(1)).view_as(slots)
    return list(label.cpu().numpy().astype(np.uint8))
