# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import cut_crops, draw_corners, label_shares, token_pairs
from mmwsss.models.loss_schedule import StepSchedule
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.teachers.averaged_parts import AveragedParts
from mmwsss.registry import MODELS
from mmwsss.structures import Features, ImageLabels, valid_boxes

from .local_crops import crop_candidates, crop_flags, roi_levels


@MODELS.register_module()
class ToCo(WeakSegmentor):
    """Token Contrast for weakly supervised segmentation (Ru et al., CVPR 2023).

    Args:
        proj_head: config of the projection head of class tokens; needed for the term
            ``ctc``.
        train_cfg: adds ``local_crops`` (``crop_num``, ``crop_size`` in pixels),
            ``ema_momentum``, ``pseudo_source`` (``'cam'`` or ``'aux_cam'``, or steps)
            and ``scale_token_box`` (``False``: the box of real pixels is applied to the
            token grid unscaled, as released; ``True``: scaled to tokens).
        **kwargs: see :class:`WeakSegmentor`.
    """

    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_MODULES,
        'proj_head': ('ctc',),
    }
    TERM_NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_NEEDS,
        'ptc': ('aux_cam_head', 'labeler.thresholds'),
        'ctc': (
            'aux_cam_head', 'labeler.thresholds', 'train_cfg.ema_momentum',
            'train_cfg.local_crops.crop_num', 'train_cfg.local_crops.crop_size',
        ),
    }  # fmt: skip
    TRAIN_KEYS: ClassVar[frozenset[str]] = WeakSegmentor.TRAIN_KEYS.union(
        ('local_crops', 'ema_momentum', 'pseudo_source', 'scale_token_box')
    )

    def __init__(self, *, proj_head: dict | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.proj_head: nn.Module = self.head(proj_head, 'proj_head')
        self.averaged = AveragedParts(self, ['proj_head'])  # makes proj_head_ema
        self.pseudo_source = StepSchedule(
            self.train_cfg.get('pseudo_source', 'cam'),
            ('cam', 'aux_cam') if self.aux_cam_head else ('cam',),
            'train_cfg.pseudo_source',
        )
        self.terms.check(self, {'ctc': ('proj_head',)})  # built after the base's check

    def loss(
        self, inputs: Mapping[str, Tensor], data_samples: Sequence[SegDataSample]
    ) -> dict[str, Tensor]:
        """One training step (Eq. 9), each distinct image encoded once.

        Args:
            inputs: normalised ``view1``, ``view2`` (B, 3, H, W) and ``local``, the
                source of the local crops, all of one size.
            data_samples: with ``gt_labels`` and ``valid_box`` of view 1.
        """
        view1 = inputs['view1']
        labels = self.image_labels(data_samples, view1.device)
        box = valid_boxes(data_samples)
        if self.averaged.parts:  # take up what the last optimiser step left
            self.averaged.follow(self.train_cfg['ema_momentum'])

        features, cls_tokens = self.encode_views(inputs)
        side = self.side_inputs_of(data_samples)
        terms = self.classification(features, labels, side)
        if not self.active & {'ptc', 'ctc', 'seg', 'reg'}:
            return self.weigh(terms)

        cams = self.fused_cams(view1, labels, features)
        if 'ptc' in self.active:
            tokens = features.maps[-1]
            targets = self.token_targets(cams.aux, labels, box, tokens)
            terms['ptc'] = self.losses['ptc'](tokens, targets)
        if 'ctc' in self.active:
            crops, flags = self.local_crops(inputs['local'], cams.aux)
            terms['ctc'] = self.class_contrast(cls_tokens, crops, flags)
        if not self.active & {'seg', 'reg'}:
            return self.weigh(terms)

        cam = cams.aux if self.pseudo_source(self.iteration) == 'aux_cam' else cams.cam
        label = self.pseudo_label(view1, cam, labels, box, side)
        terms |= self.segmentation(features, view1, label, box, side)
        return self.weigh(terms) | label_shares(label, box)

    def encode_views(self, inputs: Mapping[str, Tensor]) -> tuple[Features, Tensor]:
        """Features of view 1, and the class tokens of both global views.

        Teacher and student share the encoder, and view 1 is also the main pass: one
        pass over both views serves them all.
        """
        if 'ctc' not in self.active:
            features = self.encode(inputs['view1'])
            return features, features.cls_token
        both = self.encode(torch.cat([inputs['view1'], inputs['view2']]))
        if both.cls_token is None:
            raise ValueError(
                'the loss term ctc needs a backbone with a class token, '
                f'{type(self.backbone).__name__} gives none'
            )
        return both.select(slice(len(inputs['view1']))), both.cls_token

    def token_targets(
        self, aux_cam: Tensor, labels: ImageLabels, box: Tensor | None, tokens: Tensor
    ) -> Tensor:
        """Which tokens belong together (section 3.2), from the auxiliary CAM."""
        grid = tuple(tokens.shape[-2:])
        scaled_box = self.train_cfg.get('scale_token_box', False)
        return token_pairs(
            aux_cam, labels.ids, grid, self.labeler.thresholds, box, scaled_box
        )

    @torch.no_grad()
    def local_crops(self, source: Tensor, aux_cam: Tensor) -> tuple[Tensor, Tensor]:
        """Local crops (N, B, 3, s, s) of uncertain regions, flags (B, 2 + N)."""
        num = self.train_cfg['local_crops']['crop_num']
        size = self.train_cfg['local_crops']['crop_size']
        roi = roi_levels(aux_cam.amax(1), *self.labeler.thresholds)
        corners = draw_corners(crop_candidates(roi, size, num), num)
        return cut_crops(source, corners, size), crop_flags(roi, corners, size)

    def class_contrast(
        self, global_tokens: Tensor, crops: Tensor, flags: Tensor
    ) -> Tensor:
        """L_ctc (section 3.3): local class tokens against the teacher's global ones."""
        local_tokens = self.encode(crops.flatten(0, 1)).cls_token
        student = self.proj_head(torch.cat([global_tokens, local_tokens]))
        teacher = self.proj_head_ema(global_tokens.detach())
        return self.losses['ctc'](student, teacher, flags)
