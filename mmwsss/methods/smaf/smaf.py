# Licensed under Apache-2.0.
"""Self-training on fused multi-scale attention, on top of any trained network."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import box_mask, label_shares, multi_scale, scale_box
from mmwsss.io.errors import UserError
from mmwsss.models.loss_terms import LossTerms, refuse_unknown
from mmwsss.models.mode import traced
from mmwsss.models.prediction.inference_cfg import InferenceCfg, MapFusion
from mmwsss.models.prediction.old_settings import merged_test_cfg
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import WrappedSegmentor
from mmwsss.models.teachers.frozen_network import FrozenNetwork
from mmwsss.registry import MODELS
from mmwsss.structures import ImageLabels, side_input, valid_boxes

from .reactivation import attention_target, resize_corners, winning_label
from .self_training_cfg import SelfTrainingCfg

HINT = (
    'Train the base first, with its own config, then name its file: --cfg-options '
    'model.checkpoint=FILE'
)
#: the terms of the stage
TERMS = ('mac', 'cls')
#: the published scales of the teacher
SCALES = (0.5, 1.0, 1.5, 2.0)


@MODELS.register_module()
class MultiScaleSelfTraining(WrappedSegmentor):
    """Self-training on multi-scale attention fusion (SMAF, Yang et al., 2023).

    In a config, on top of one of any method::

        _base_ = ['../toco/toco_vit-t_shapes.py']
        model = dict(
            _delete_=True, type='MultiScaleSelfTraining',
            segmentor={{_base_.model}}, checkpoint='work_dirs/…/iter_600.pth',
            losses=dict(mac=dict(type='AttentionConsistency', kind='relu')),
            train_cfg=dict(weights=dict(cls=1.0, mac=10.0)))

    The student has the base network and gives it another loss. The frozen base, the
    teacher, sees each picture at several scales and mirrored; the student, which sees
    it at one scale, learns to give the fused, denoised and reactivated attention of all
    of them. Checkpoints are checkpoints of the base, prediction is the base's. The
    teacher is not in them: training, and going on with it, reads the base checkpoint
    again. What neither L_mac nor L_cls trains (a decoder, projections, averaged copies)
    is frozen, so that it doesn't drift.

    Args:
        segmentor: config of the base network; ImageNet weights in it are passed over.
        checkpoint: of the base network; needed for training only.
        losses: ``mac``: config of the :class:`.AttentionConsistency` (default: that of
            a head with background channel); ``cls`` is the base's.
        self_training: see :class:`.SelfTrainingCfg`.
        train_cfg: ``weights`` of ``mac`` and ``cls`` (published: 100 and, by the
            release, none; by the paper 1) and ``inactive``.
        test_cfg: entries that replace those of the base.
        data_preprocessor: likewise.

    Raises:
        TypeError: if the base isn't a network of mmwsss.
        UserError: if settings and network don't belong together.
    """

    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {'cam_head': TERMS}
    TRAIN_KEYS: ClassVar[tuple[str, ...]] = ('weights', 'inactive')

    def __init__(
        self,
        segmentor: dict,
        checkpoint: str | None = None,
        losses: Mapping[str, dict] | None = None,
        self_training: Mapping[str, Any] | None = None,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: dict | None = None,
    ) -> None:
        segmentor = _base_cfg(segmentor, test_cfg or {}, data_preprocessor or {})
        student = MODELS.build(segmentor)
        if not isinstance(student, WeakSegmentor):
            raise TypeError(
                'MultiScaleSelfTraining needs a network of mmwsss that has '
                f'CAMs, got {type(student).__name__}'
            )
        super().__init__(student)
        self.settings = _settings(student, self_training or {})
        self.train_cfg = dict(weights=dict(mac=100.0)) | dict(train_cfg or {})
        self._check(losses or {})
        self.terms = LossTerms(self.train_cfg, self.TERM_MODULES)
        mac = dict(type='AttentionConsistency') | dict((losses or {}).get('mac', {}))
        self.losses = nn.ModuleDict(dict(mac=MODELS.build(mac)))
        if 'cls' in self.terms.names:
            if 'cls' not in student.losses:
                raise UserError(
                    'train_cfg.weights names cls, but the base network has no such '
                    f'loss, only {sorted(student.losses)}: leave it out'
                )
            self.losses['cls'] = student.losses['cls']
        self.base = FrozenNetwork({**segmentor, 'checkpoint': checkpoint}, hint=HINT)
        # What trains on other terms than those of this stage rests.
        terms = set(student.TERM_MODULES['cam_head'])
        for parameter in student.terms.idle_parameters(student, terms).values():
            parameter.requires_grad_(False)

    def _check(self, losses: Mapping[str, dict]) -> None:
        student = self.segmentor
        dense = type(student).dense_logits is not WeakSegmentor.dense_logits
        if student.cam_head is None and not dense:
            raise UserError(
                f'self-training draws CAM logits to its target, but the base network '
                f'{type(student).__name__} has no cam_head and no dense_logits of its '
                'own (its class maps are made otherwise): override dense_logits'
            )
        foreign = set(self.train_cfg['weights']) - set(TERMS)
        foreign |= set(losses) - {'mac'}
        if foreign:
            raise UserError(
                f'self-training has the loss terms {TERMS}, of which cls is the '
                f"base's own loss; got {sorted(foreign)}"
            )
        refuse_unknown(type(self).__name__, self.train_cfg, self.TRAIN_KEYS)

    def use_metainfo(self, metainfo: Mapping[str, Any]) -> None:
        """Tell student and teacher what the data set says of its classes."""
        super().use_metainfo(metainfo)
        self.base.use_metainfo(metainfo)

    @property
    def active(self) -> set[str]:
        """The terms of this stage with a weight other than 0 at this iteration."""
        return self.terms.active

    def loss(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        data_samples: Sequence[SegDataSample],
    ) -> dict[str, Tensor]:
        """One training step: L_cls + alpha L_mac (section 3), the student at one scale.

        Args:
            inputs: (B, 3, H, W) normalised images or a dict with ``'view1'``.
            data_samples: with ``gt_labels``, if known ``valid_box``, and ``fused``
                where the maps were made beforehand.
        """
        images = inputs['view1'] if isinstance(inputs, Mapping) else inputs
        student, active = self.segmentor, self.terms.active
        labels = student.image_labels(data_samples, images.device)
        box = valid_boxes(data_samples)
        features = student.encode(images)
        terms = {}
        if 'cls' in active:
            scores = student.image_scores(features)
            terms['cls'] = self.losses['cls'](scores, labels.score)
        if 'mac' not in active:
            return self.terms.weigh(student, terms)

        fused = self.fused_attention(images, data_samples, labels, box)
        target = self.target(fused, labels)
        terms['mac'] = self.losses['mac'](
            student.dense_logits(features), target, labels
        )
        shares = self.target_shares(target, box, images)
        return self.terms.weigh(student, terms) | shares

    # ---------------------------------------------------------------- teacher
    @torch.no_grad()
    def fused_attention(
        self,
        images: Tensor,
        data_samples: Sequence[SegDataSample],
        labels: ImageLabels,
        box: Tensor | None,
    ) -> Tensor:
        """Fused attention (B, K, H, W) of the present classes (Eq. 5 and 6).

        It is 0 outside the box of real pixels, whichever way it was made.
        """
        if self.settings.source == 'fused':
            return self.given_maps(data_samples, labels)
        teacher, cfg = self.base.load(images.device), self.settings
        assert cfg.scales and cfg.pair and cfg.normalise  # _settings fills them in

        def run(batch: Tensor) -> tuple[Tensor]:
            with teacher.gradients_of_maps():
                features = teacher.encode(traced(batch, teacher.MAPS_NEED_GRAD))
            return (teacher.compact_maps(features, labels)[0],)

        (views,) = multi_scale(run, images, cfg.scales, add_one=False)
        size = tuple(images.shape[-2:])
        fusion = MapFusion(pair=cfg.pair, normalise=cfg.normalise)
        fused = fusion.fuse(views, labels, size)
        return fused if box is None else fused * box_mask(box, size)[:, None]

    @staticmethod
    def given_maps(
        data_samples: Sequence[SegDataSample], labels: ImageLabels
    ) -> Tensor:
        """The maps (B, K, H, W) that the samples bring along, in the labels' order.

        Raises:
            ValueError: naming an image that has none.
        """
        hint = "; or set self_training.source='online'"
        given = side_input(data_samples, 'fused', 'maps', hint)
        slots = labels.ids.shape[1]
        return torch.stack(
            [F.pad(maps, (0, 0, 0, 0, 0, slots - len(maps))) for maps in given]
        )

    @torch.no_grad()
    def target(self, fused: Tensor, labels: ImageLabels) -> Tensor:
        """Denoised and reactivated (Eq. 8): (B, C + 1, h, w), background last."""
        cfg = self.settings
        grid = tuple(max(side // cfg.stride, 1) for side in fused.shape[-2:])
        maps = labels.scatter(resize_corners(fused, grid))
        return attention_target(maps, labels.score, cfg.bkg_thr, cfg.reactivated)

    @staticmethod
    def target_shares(
        target: Tensor, box: Tensor | None, images: Tensor
    ) -> dict[str, Tensor]:
        """Shares of the target's winning classes, for the log."""
        label = winning_label(target)
        if box is not None:
            box = scale_box(box, tuple(images.shape[-2:]), tuple(label.shape[-2:]))
        return label_shares(label, box)

    # ---------------------------------------------------------------- weights
    def init_weights(self) -> None:
        """Start from the trained base; a missing or foreign file shows before training.

        Raises:
            ValueError: if no checkpoint is named.
            FileNotFoundError: if there is no such file.
            CheckpointMismatch: if it is of another architecture or class count.
        """
        if self.is_init:
            return
        base = self.base.load(next(self.parameters()).device)
        self.segmentor.load_state_dict(base.state_dict())
        self._is_init = True
        if self.settings.source == 'fused':
            self.base.unload()


def _base_cfg(
    segmentor: Mapping[str, Any],
    test_cfg: Mapping[str, Any],
    data_preprocessor: Mapping[str, Any],
) -> dict[str, Any]:
    """The base's config with what replaces parts of it, and no ImageNet weights."""
    base = copy.deepcopy(dict(segmentor))
    base['data_preprocessor'] = {
        **(base.get('data_preprocessor') or {}),
        **data_preprocessor,
    }
    base['test_cfg'] = merged_test_cfg(base.get('test_cfg'), test_cfg)
    if 'backbone' in base:
        base['backbone'] = {**base['backbone'], 'pretrained': None}
    return base


def _settings(model: WeakSegmentor, given: Mapping[str, Any]) -> SelfTrainingCfg:
    """The settings; how views meet is the base's business unless it is said."""
    base = InferenceCfg.of(model.test_cfg)
    if base.use_teacher:
        raise UserError(
            'self-training trains the network itself, but test_cfg has '
            'use_teacher=True: predictions would never change'
        )
    settings = SelfTrainingCfg(**given)
    if settings.source == 'fused':
        return settings
    return replace(
        settings,
        scales=settings.scales or SCALES,
        pair=settings.pair or base.cam.pair,
        normalise=settings.normalise or base.cam.normalise,
    )
