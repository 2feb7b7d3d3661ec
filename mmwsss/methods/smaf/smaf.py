# Licensed under Apache-2.0.
"""Self-training on fused multi-scale attention, on top of any trained network."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import box_mask, label_shares, multi_scale, scale_box
from mmwsss.io.errors import UserError
from mmwsss.models.inference_cfg import InferenceCfg
from mmwsss.models.loss_schedule import LossSchedule
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.teachers.frozen_network import FrozenNetwork
from mmwsss.registry import MODELS
from mmwsss.structures import ImageLabels, side_input

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


class MultiScaleSelfTraining:
    """Self-training on multi-scale attention fusion (SMAF, Yang et al., 2023).

    Goes before the class of the base network, see :func:`self_training`: the student
    *is* the base network with another loss. The frozen base, the teacher, sees each
    picture at several scales and mirrored; the student, which sees it at one scale,
    learns to give the fused, denoised and reactivated attention of all of them.
    """

    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {'cam_head': TERMS}
    TRAIN_KEYS: ClassVar[frozenset[str]] = frozenset(('weights', 'inactive'))
    #: what :func:`self_training` sets
    settings: SelfTrainingCfg
    teacher: FrozenNetwork

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
        labels = self.image_labels(data_samples, images.device)
        box = self.valid_boxes(data_samples)
        features = self.encode(images)
        terms = self.classification(features, labels)
        if 'mac' not in self.active:
            return self.weigh(terms)

        fused = self.fused_attention(images, data_samples, labels, box)
        target = self.target(fused, labels)
        logits = self.dense_logits(features)
        terms['mac'] = self.losses['mac'](logits, target, labels)
        return self.weigh(terms) | self.target_shares(target, box, images)

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
        teacher, cfg = self.teacher.load(images.device), self.settings
        (views,) = multi_scale(
            lambda batch: teacher.view_cams(teacher.encode(batch))[:1],
            images,
            cfg.scales,
            add_one=False,
        )
        size = tuple(images.shape[-2:])
        fused = self.fuse(views, labels, size, cfg.pair, cfg.normalise)
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
            [
                nn.functional.pad(maps, (0, 0, 0, 0, 0, slots - len(maps)))
                for maps in given
            ]
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
        base = self.teacher.load(next(self.parameters()).device)
        self.load_state_dict(base.state_dict())
        self._is_init = True
        if self.settings.source == 'fused':
            self.teacher.unload()


@MODELS.register_module(name='MultiScaleSelfTraining')
def self_training(
    segmentor: dict,
    checkpoint: str | None = None,
    losses: dict | None = None,
    self_training: Mapping[str, Any] | None = None,
    train_cfg: Mapping[str, Any] | None = None,
    test_cfg: Mapping[str, Any] | None = None,
    data_preprocessor: dict | None = None,
) -> WeakSegmentor:
    """Build a trained network for self-training.

    In a config, on top of one of any method::

        _base_ = ['../toco/toco_vit-t_shapes.py']
        model = dict(
            _delete_=True, type='MultiScaleSelfTraining',
            segmentor={{_base_.model}}, checkpoint='work_dirs/…/iter_600.pth',
            losses=dict(mac=dict(type='AttentionConsistency', kind='relu')),
            train_cfg=dict(weights=dict(cls=1.0, mac=10.0)))

    The result *is* the network, with a ``loss`` of its own
    (:class:`MultiScaleSelfTraining`): parameters have the same names, so its
    checkpoints are checkpoints of the base, and prediction is the base's. The teacher
    is not in them: training, and going on with it, reads the base checkpoint again.
    What neither L_mac nor L_cls trains (a decoder, projections, averaged copies) is
    frozen, so that it doesn't drift.

    Args:
        segmentor: config of the base network; ImageNet weights in it are passed over.
        checkpoint: of the base network; needed for training only.
        losses: ``mac``: config of the ``AttentionConsistency``
            (default: that of a head with background channel); ``cls`` is the base's.
        self_training: see ``SelfTrainingCfg``.
        train_cfg: ``weights`` of ``mac`` and ``cls`` (published: 100 and, by the
            release, none; by the paper 1) and ``inactive``.
        test_cfg: entries that replace those of the base.
        data_preprocessor: likewise.

    Returns:
        The network.

    Raises:
        TypeError: if the base isn't a network of mmwsss.
        UserError: if settings and network don't belong together.
    """
    segmentor = copy.deepcopy(segmentor)
    segmentor['data_preprocessor'] = {
        **(segmentor.get('data_preprocessor') or {}),
        **(data_preprocessor or {}),
    }
    segmentor['test_cfg'] = {**(segmentor.get('test_cfg') or {}), **(test_cfg or {})}
    segmentor['backbone'] = {**segmentor['backbone'], 'pretrained': None}
    model = MODELS.build(segmentor)
    if not isinstance(model, WeakSegmentor):
        raise TypeError(
            'MultiScaleSelfTraining needs a network of mmwsss that has '
            f'CAMs, got {type(model).__name__}'
        )
    settings = _settings(model, self_training or {})
    _freeze_idle(model)
    kind = type(model)
    model.__class__ = type(
        f'SelfTrained{kind.__name__}',
        (MultiScaleSelfTraining, kind),
        dict(__module__=__name__),
    )
    model.settings = settings
    model.teacher = FrozenNetwork({**segmentor, 'checkpoint': checkpoint}, hint=HINT)
    _set_losses(model, losses or {}, train_cfg or {})
    return model


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
        pair=settings.pair or base.cam_pair,
        normalise=settings.normalise or base.cam_normalise,
    )


def _freeze_idle(model: WeakSegmentor) -> None:
    """Freeze what trains on other terms than those of this stage."""
    terms = set(model.TERM_MODULES['cam_head'])
    for parameter in model.idle_parameters(terms).values():
        parameter.requires_grad_(False)


def _set_losses(
    model: WeakSegmentor, losses: Mapping[str, dict], train_cfg: Mapping[str, Any]
) -> None:
    """Replace the base's terms; losses that keep statistics stay, for their keys."""
    model.train_cfg = dict(weights=dict(mac=100.0)) | dict(train_cfg)
    weights = model.train_cfg['weights']
    foreign = (set(weights) | set(losses)) - set(TERMS)
    if foreign:
        raise UserError(
            f'self-training has the loss terms {TERMS}, got {sorted(foreign)}'
        )
    kept = {
        term: loss
        for term, loss in model.losses.items()
        if term in weights or loss.state_dict()
    }
    built = {
        term: MODELS.build(cfg)
        for term, cfg in (
            dict(mac=dict(type='AttentionConsistency')) | dict(losses)
        ).items()
    }
    model.losses = nn.ModuleDict(kept | built)
    model.schedule = LossSchedule(weights)
    model._check_terms()
