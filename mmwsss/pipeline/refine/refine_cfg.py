# Licensed under Apache-2.0.
"""Refine score maps with their images: settings, one image, one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmwsss.cam import IGNORE
from mmwsss.datasets.transforms.load_rgb_image import read_rgb
from mmwsss.io.data_errors import ScoreError
from mmwsss.io.score_files import KINDS, load_scores
from mmwsss.labelers.refiners.crf_refiner import DenseCRF
from mmwsss.labelers.score_maps import refine_stacks, with_background
from mmwsss.ops.par import PAR

#: presets of the dense CRF by what it is given
DEFAULT_PRESETS = dict(prob='toco_seg', cam='toco_cam', label='irn')


class Task(NamedTuple):
    """The files of one image."""

    image: str
    scores: str
    out: str


class Item(NamedTuple):
    """One image, read: (3, H, W) uint8, (T, L, H, W) float32, L class ids."""

    pixels: Tensor
    stacks: Tensor
    ids: Tensor


@dataclass(frozen=True)
class RefineCfg:
    """How maps become labels.

    Attributes:
        refine: ``'crf'`` or ``'par'``.
        preset: of the CRF, a key of ``mmwsss.ops.DENSE_CRF_PRESETS``; default by kind:
            ``toco_seg`` for probabilities, ``toco_cam`` for CAMs, ``irn`` for labels.
        kind: what the maps are: ``'prob'``, ``'cam'`` or ``'label'``.
        unary: of the CRF: ``'prob'`` or ``'labels'``, see
            ``DenseCRF``; default: ``'labels'`` for labels.
        bkg_thr: background of CAMs: one constant, or two (low, high), between which a
            pixel becomes 255.
        alpha: background of CAMs: (1 - max)^alpha instead.
        num_classes: of hard labels (kind ``'label'``, or unary ``'labels'``),
            background included; default: compact, those that occur in a file of labels,
            or that a file of maps has.
        palette: colours (K, 3) of the PNGs, default VOC's.
    """

    refine: str = 'crf'
    preset: str | None = None
    kind: str = 'prob'
    unary: str | None = None
    bkg_thr: tuple[float, ...] = ()
    alpha: float | None = None
    num_classes: int | None = None
    palette: Sequence[Sequence[int]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.refine not in ('crf', 'par') or self.kind not in KINDS:
            raise ValueError(
                f"refine must be 'crf' or 'par' and kind one of {KINDS}, got "
                f'{self.refine!r} and {self.kind!r}'
            )
        if self.refine == 'par' and (self.preset or self.unary):
            raise ValueError('preset and unary are settings of the CRF, not of PAR')
        if self.kind != 'cam' and (self.bkg_thr or self.alpha is not None):
            raise ValueError(
                f'bkg_thr and alpha give CAMs a background; kind is {self.kind!r}'
            )
        if self.kind == 'cam':
            with_background(torch.zeros(1, 1, 1, 1), self.bkg_thr, self.alpha)
        hard = self.kind == 'label' or self.unary == 'labels'
        if self.num_classes is not None and not hard:
            raise ValueError(
                "num_classes is for hard labels, those of unary='labels' "
                f'too; kind is {self.kind!r}'
            )
        _ = self.module

    @cached_property
    def module(self) -> nn.Module:
        """The refiner."""
        if self.refine == 'par':
            return PAR()
        unary = self.unary or ('labels' if self.kind == 'label' else 'prob')
        return DenseCRF(
            self.preset or DEFAULT_PRESETS[self.kind],
            unary,
            num_labels=self.num_classes if unary == 'labels' else None,
        )


def read_item(cfg: RefineCfg, task: Task) -> Item:
    """Read the image and its maps.

    Raises:
        DataError: if one can't be read, or they don't fit.
    """
    pixels = read_rgb(task.image)
    maps = load_scores(task.scores, cfg.kind, pixels.shape[:2], cfg.num_classes)
    if cfg.num_classes is not None and maps.ids.max() >= cfg.num_classes:
        raise ScoreError(
            task.scores,
            f'has a map of class {maps.ids.max()}, but num_classes={cfg.num_classes}',
            'raise num_classes',
        )
    stacks, ids = torch.from_numpy(maps.scores)[None], torch.from_numpy(maps.ids)
    if cfg.kind == 'cam':
        stacks, ids = cam_stacks(cfg, stacks[0], ids)
    if len(ids) > IGNORE:
        raise ScoreError(task.scores, f'has {len(ids)} maps', 'give 255 at most')
    return Item(torch.from_numpy(pixels.copy()).permute(2, 0, 1), stacks, ids)


def cam_stacks(cfg: RefineCfg, cam: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """CAMs (n, H, W) of the classes ids (n,) → stacks and ids of an :class:`Item`."""
    stacks = with_background(cam[None], cfg.bkg_thr, cfg.alpha)[0]
    return stacks, torch.cat([ids.new_zeros(1), ids])


@torch.no_grad()
def refine_items(
    cfg: RefineCfg, items: Sequence[Item], device: str = 'cpu'
) -> list[np.ndarray]:
    """Labels (H, W) uint8 of images of one size and number of maps, at once."""
    pixels = torch.stack([item.pixels for item in items]).to(device).float()
    stacks = torch.stack([item.stacks for item in items]).to(device)
    slots = refine_stacks(pixels, stacks, cfg.module, cfg.refine == 'par').cpu()
    return [
        slots_to_ids(slot, item.ids) for slot, item in zip(slots, items, strict=True)
    ]


def slots_to_ids(slots: Tensor, ids: Tensor) -> np.ndarray:
    """Numbers of maps (H, W), 255 = ignored → their class ids, uint8."""
    table = torch.full((IGNORE + 1,), IGNORE)
    table[: len(ids)] = ids
    return table[slots].numpy().astype(np.uint8)
