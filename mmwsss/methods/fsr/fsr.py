# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.cam import label_shares, multi_scale, token_pairs
from mmwsss.models.loss_schedule import Ramp
from mmwsss.models.mode import evaluating
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.teachers.averaged_parts import AveragedParts
from mmwsss.registry import MODELS
from mmwsss.structures import Features, FusedCAMs, ImageLabels, valid_boxes

from .block_masks import take_tokens
from .uncertain_masking import TokenMask, UncertainMasking


@MODELS.register_module()
class FSR(WeakSegmentor):
    """Progressive Feature Self-Reinforcement (He et al., AAAI 2024).

    The student sees view 1 whole and view 2 with its uncertain patches masked; the
    teacher, a moving average of the whole student, sees both whole. The student learns
    what the teacher says of the masked patches (``unc``, L_u) and, by its pooled token
    of the masked view 2, what the teacher says of view 1 (``cer``, L_c).

    Args:
        backbone: a :class:`~mmwsss.methods.fsr.mask_token_vit.MaskTokenViT`.
        proj_head: config of the projector of patch tokens and pooled token.
        train_cfg: adds ``mask`` (see
            ``UncertainMasking``); ``teacher_temp`` and
            ``ema_momentum`` (``start``, ``end``, ``iters`` of a linear and a cosine
            ``Ramp``); ``cam_mode`` and ``teacher_mode``:
            ``'train'`` (released: stochastic depth acts there too) or ``'eval'``;
            ``local_views``: names of views for local crops whose pooled tokens join
            L_c (released: none).
        **kwargs: see :class:`WeakSegmentor`.
    """

    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_MODULES,
        'proj_head': ('unc', 'cer'),
        'backbone.mask_token': ('unc', 'cer'),
        'backbone.aggregation': ('cer',),
    }
    TERM_NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_NEEDS,
        'ptc': ('aux_cam_head', 'labeler.thresholds'),
    }
    TRAIN_KEYS: ClassVar[frozenset[str]] = WeakSegmentor.TRAIN_KEYS | {
        'mask',
        'teacher_temp',
        'ema_momentum',
        'cam_mode',
        'teacher_mode',
        'local_views',
    }
    #: what the teacher is a copy of
    PARTS = ('backbone', 'proj_head', 'cam_head', 'aux_cam_head', 'decode_head')

    def __init__(self, *, proj_head: dict, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.proj_head = self.head(proj_head, 'proj_head')
        self.averaged = AveragedParts(self, self.PARTS)
        self._check_settings()
        self.masking = UncertainMasking(**self.train_cfg['mask'])
        self.teacher_temp = Ramp(**self.train_cfg['teacher_temp'])
        self.ema_momentum = Ramp(**self.train_cfg['ema_momentum'], shape='cosine')
        if self.masking.source == 'aux_cam' and self.aux_cam_head is None:
            raise ValueError(
                "train_cfg.mask.source='aux_cam' needs an aux_cam_head, got None"
            )

    def _check_settings(self) -> None:
        missing = {'mask', 'teacher_temp', 'ema_momentum'} - set(self.train_cfg)
        if missing:
            raise ValueError(
                f'FSR needs {sorted(missing)} in train_cfg; the values of '
                'VOC are in configs/_base_/models/fsr_vit-b.py'
            )
        if not hasattr(self.backbone, 'aggregation'):
            raise ValueError(
                'FSR needs a backbone with mask tokens and aggregation '
                f'(MaskTokenViT), got {type(self.backbone).__name__}'
            )
        for key in ('cam_mode', 'teacher_mode'):
            if self.train_cfg.get(key, 'train') not in ('train', 'eval'):
                raise ValueError(
                    f"train_cfg.{key} must be 'train' or 'eval', got "
                    f'{self.train_cfg[key]!r}'
                )

    def _check_views(self, inputs: Mapping[str, Tensor]) -> None:
        wanted = {'view1', 'view2', *self.train_cfg.get('local_views', ())}
        names = set(inputs) if isinstance(inputs, Mapping) else set()
        if wanted - names:
            raise ValueError(
                f'FSR trains on the views {sorted(wanted)}, the pipeline gives '
                f'{sorted(names) or "a single image"}: name them in MultiView'
            )

    def loss(
        self, inputs: Mapping[str, Tensor], data_samples: Sequence[SegDataSample]
    ) -> dict[str, Tensor]:
        """One training step (Eq. 10), each distinct image encoded once.

        Args:
            inputs: normalised ``view1``, ``view2`` (B, 3, H, W) and the local views.
            data_samples: with ``gt_labels`` and, if known, ``valid_box`` of view 1.
        """
        self._check_views(inputs)
        view1 = inputs['view1']
        labels = self.image_labels(data_samples, view1.device)
        box = valid_boxes(data_samples)
        side = self.side_inputs_of(data_samples)
        self.follow_student()

        if self.active & {'unc', 'cer'}:
            mask = self.mask_uncertain(inputs, labels)
            features, masked = self.encode_student(inputs, mask)
            terms = self.classification(features, labels, side)
            terms |= self.reinforce(inputs, masked, mask)
        else:
            features = self.encode(view1)
            terms = self.classification(features, labels, side)
        if not self.active & {'ptc', 'seg', 'reg'}:
            return self.weigh(terms)

        cams = self.fused_cams(view1, labels, features)
        if 'ptc' in self.active:
            grid = tuple(features.maps[-1].shape[-2:])
            targets = token_pairs(
                cams.aux, labels.ids, grid, self.labeler.thresholds, box
            )
            terms['ptc'] = self.losses['ptc'](features.maps[-1], targets)
        if not self.active & {'seg', 'reg'}:
            return self.weigh(terms)

        label = self.pseudo_label(view1, cams.cam, labels, box, side)
        terms |= self.segmentation(features, view1, label, box, side)
        return self.weigh(terms) | label_shares(label, box)

    # ---------------------------------------------------------------- networks
    def _quiet(self, key: str) -> bool:
        """Whether stochastic depth rests in the passes of a setting."""
        return self.train_cfg.get(key, 'train') == 'eval'

    def follow_student(self) -> None:
        """The teacher takes up the weights that the last optimiser step left."""
        if self.iteration > 0:
            self.averaged.follow(self.ema_momentum(self.iteration - 1))

    def encode_student(
        self, inputs: Mapping[str, Tensor], mask: TokenMask
    ) -> tuple[Features, Features]:
        """Features of view 1; those of view 2 masked, with its pooled token."""
        batch = len(inputs['view1'])
        tokens = torch.cat([torch.zeros_like(mask.tokens), mask.tokens])
        both = self.backbone.encode(
            torch.cat([inputs['view1'], inputs['view2']]),
            tokens,
            pool=slice(batch, None) if 'cer' in self.active else None,
        )
        whole = both._replace(cls_token=None).select(slice(batch))
        masked = both._replace(cls_token=None).select(slice(batch, None))
        return whole, masked._replace(cls_token=both.cls_token)

    @torch.no_grad()
    def encode_teacher(self, inputs: Mapping[str, Tensor]) -> Features:
        """What the terms read: view 1's pooled token, view 2's patch tokens."""
        views = [
            inputs[view]
            for term, view in (('cer', 'view1'), ('unc', 'view2'))
            if term in self.active
        ]
        batch, teacher = len(views[0]), self.backbone_ema.module
        with evaluating(teacher, self._quiet('teacher_mode')):
            return teacher.encode(
                torch.cat(views), pool=slice(batch) if 'cer' in self.active else None
            )

    # ---------------------------------------------------------------- masks
    @torch.no_grad()
    def mask_uncertain(
        self, inputs: Mapping[str, Tensor], labels: ImageLabels
    ) -> TokenMask:
        """Uncertain patch token selection (Eq. 2 to 4)."""
        score = None
        if self.masking.guided(self.iteration):
            score = self.uncertainty_cam(inputs[self.masking.view], labels).amax(1)
        patch = self.backbone.patch_embed.projection.stride[0]
        return self.masking(inputs['view2'], patch, self.iteration, score)

    def uncertainty_cam(self, images: Tensor, labels: ImageLabels) -> Tensor:
        """The CAM (B, K, h, w) that guides the mask; no block above its tap runs."""
        cfg = self.masking
        head = self.aux_cam_head if cfg.source == 'aux_cam' else self.cam_head

        def run(batch: Tensor) -> tuple[Tensor]:
            logits = head.cam(self.backbone.encode(batch, until=head.in_index).maps)
            return (labels.tile(len(batch) // len(labels)).gather(logits),)

        with evaluating(self.backbone, self._quiet('cam_mode')):
            if cfg.scales is None:  # its own mirror: the maximum of the pair is itself
                raw = [(cam, cam.flip(-1)) for cam in run(images)]
            else:
                raw = multi_scale(run, images, cfg.scales)[0]
        size = images.shape[-2:] if cfg.grid == 'pixels' else raw[0][0].shape[-2:]
        return self.train_maps.fuse(raw, labels, tuple(size))

    def fused_cams(
        self, images: Tensor, labels: ImageLabels, features: Features | None = None
    ) -> FusedCAMs:
        """As in the base; ``cam_mode='eval'`` keeps stochastic depth out of them."""
        if self._quiet('cam_mode'):
            features = None  # these were encoded with stochastic depth
        with evaluating(self.backbone, self._quiet('cam_mode')):
            return super().fused_cams(images, labels, features)

    # ---------------------------------------------------------------- distillation
    def reinforce(
        self, inputs: Mapping[str, Tensor], masked: Features, mask: TokenMask
    ) -> dict[str, Tensor]:
        """L_u and L_c: the student's masked view 2 against the teacher."""
        teacher = self.encode_teacher(inputs)
        temperature = self.teacher_temp(self.iteration)
        terms = {}
        if 'unc' in self.active:
            patches = masked.maps[-1].flatten(2).transpose(1, 2)
            student = self.proj_head(take_tokens(patches, mask.index))
            target, mean = self.project_patches(teacher, mask)
            terms['unc'] = self.losses['unc'](
                student, target, temperature, mean, mask.weight
            )
        if 'cer' in self.active:
            student = self.proj_head(self.pooled_tokens(inputs, masked))
            target = self.proj_head_ema(teacher.cls_token[:, None])
            terms['cer'] = self.losses['cer'](
                student, target, temperature, target.mean((0, 1))
            )
        return terms

    @torch.no_grad()
    def project_patches(
        self, teacher: Features, mask: TokenMask
    ) -> tuple[Tensor, Tensor]:
        """The teacher's outputs (B, n, K) at the masked patches, mean (K,) over all.

        The last layer is linear: the mean is taken before it.
        """
        head = self.proj_head_ema.module
        patches = teacher.maps[-1][-len(mask.tokens) :].flatten(2).transpose(1, 2)
        units = head.embed(patches)
        return (
            head.last_layer(take_tokens(units, mask.index)),
            head.last_layer(units.mean((0, 1))),
        )

    def pooled_tokens(self, inputs: Mapping[str, Tensor], masked: Features) -> Tensor:
        """The student's pooled tokens (B, 1 + L, D): view 2, then L local views."""
        names = self.train_cfg.get('local_views', ())
        assert masked.cls_token is not None  # encode pools them
        if not names:
            return masked.cls_token[:, None]
        crops = torch.cat([inputs[name] for name in names])
        local = self.backbone.encode(crops, pool=slice(None)).cls_token
        local = local.unflatten(0, (len(names), -1)).transpose(0, 1)
        return torch.cat([masked.cls_token[:, None], local], dim=1)
