# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import (
    affinity_targets,
    fuse_cams,
    label_shares,
    multi_scale,
    resize,
    scale_box,
    strongest_class,
    three_way_label,
    truncate_to_unit,
)
from mmwsss.labelers.soft_maps import refined_label
from mmwsss.models.inference_cfg import InferenceCfg
from mmwsss.models.loss_schedule import LossSchedule
from mmwsss.registry import MODELS
from mmwsss.structures import ClassPairs, Features, ImageLabels, encode

from .loss_terms_mixin import LossTermsMixin
from .predict_mixin import PredictMixin


class FusedCAMs(NamedTuple):
    """Fused, normalised CAMs (B, K, H, W) of the classes that each image holds."""

    cam: Tensor
    aux: Tensor | None


@MODELS.register_module()
class WeakSegmentor(LossTermsMixin, PredictMixin, BaseSegmentor):
    """Base of all networks that learn from image labels; by itself the CAM baseline.

    It owns what every method shares: encode once, CAM logits, fusion of scales and
    mirrors, refined pseudo labels, weighted losses, prediction. A method overrides
    :meth:`loss` and says there which losses apply to which labels.

    Args:
        backbone: config of an encoder that returns maps (B, D, h, w).
        cam_head: config of the classifier whose weights give the CAM, or ``None`` in a
            stage without CAM.
        num_classes: C + 1, background included; heads take theirs from here.
        decode_head: config of the segmentation decoder, or ``None``.
        aux_cam_head: config of the classifier on an earlier map, or ``None``.
        refine: config of the module that refines soft maps (PAR), or ``None``.
        losses: term → config of its loss module.
        train_cfg: ``weights`` (term → weight or steps ``[(begin, weight), …]``),
            ``cam_scales``, ``low_thr``, ``high_thr``, and what a method adds;
            ``detach_decoder``: the decoder learns from the encoder without teaching
            it (a plain CAM stays plain);
            ``inactive``: ``'zero_grad'`` (published: a module without an active term
            gets zero gradients, so its weights still decay) or ``'off'`` (with
            several processes also set ``find_unused_parameters=True``).
        test_cfg: see :class:`~mmwsss.models.inference_cfg.InferenceCfg`.
        data_preprocessor: config of the ``WeakDataPreProcessor``.
        init_cfg: mmengine initialisation.

    Raises:
        ValueError: if terms, losses and heads don't belong together.
    """

    def __init__(
        self,
        backbone: dict,
        cam_head: dict | None,
        num_classes: int,
        decode_head: dict | None = None,
        aux_cam_head: dict | None = None,
        refine: dict | None = None,
        losses: Mapping[str, dict] | None = None,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        # Built here: mmengine would look it up in its own registry only.
        super().__init__(
            data_preprocessor and MODELS.build(data_preprocessor), init_cfg
        )
        foreground = dict(num_classes=num_classes - 1)
        self.num_classes = num_classes
        self.backbone = MODELS.build(backbone)
        self.cam_head = cam_head and MODELS.build(cam_head | foreground)
        self.aux_cam_head = aux_cam_head and MODELS.build(aux_cam_head | foreground)
        self.decode_head = decode_head and MODELS.build(
            decode_head | dict(num_classes=num_classes)
        )
        self.refine = refine and MODELS.build(refine)
        self.losses = nn.ModuleDict(
            {term: MODELS.build(cfg) for term, cfg in (losses or {}).items()}
        )
        self.train_cfg = dict(train_cfg or {})
        self.test_cfg = dict(test_cfg or {})
        self.schedule = LossSchedule(self.train_cfg.get('weights', {}))
        self._check_terms()
        InferenceCfg.of(self.test_cfg)  # not only after hours, at the first validation

    def init_weights(self) -> None:
        """Initialise; a teacher of moving averages starts as the student's copy."""
        if self.is_init:
            return
        super().init_weights()
        if self.averaged is not None:
            self.averaged.start()

    # ---------------------------------------------------------------- encode
    @property
    def num_foreground(self) -> int:
        """C: classes without background."""
        return self.num_classes - 1

    def encode(self, images: Tensor) -> Features:
        """Encode normalised images (B, 3, H, W)."""
        return encode(self.backbone, images)

    def cam_logits(self, features: Features) -> tuple[Tensor, ...]:
        """Raw CAM logits (B, C, h, w) of the final and, if any, the auxiliary head."""
        heads = (self.cam_head, self.aux_cam_head)
        return tuple(head.cam(features.maps) for head in heads if head is not None)

    def dense_logits(self, features: Features) -> Tensor:
        """CAM logits with gradient (B, C, h, w), or C + 1 with background last.

        What :meth:`cam_logits` gives of the final head, for losses on maps.
        """
        return self.cam_head.dense(features.maps)

    def view_cams(self, features: Features) -> tuple[Tensor, ...]:
        """What a view gives to the fused CAM, for each tap (B, C, h, w).

        Raw logits here, whose ReLU is taken once they are resized and merged. A method
        whose map isn't the ReLU of its logits (a softmax with background, a product
        with attention) returns maps that are non-negative already.
        """
        return self.cam_logits(features)

    # ---------------------------------------------------------------- labels
    def image_labels(
        self, data_samples: Sequence[SegDataSample], device: torch.device
    ) -> ImageLabels:
        """Image-level labels of a batch (``gt_labels`` stay on the CPU until here)."""
        return ImageLabels.from_lists(
            self._label_lists(data_samples), self.num_foreground, device
        )

    def class_pairs(
        self, data_samples: Sequence[SegDataSample], device: torch.device
    ) -> ClassPairs:
        """The same with background as a class, and every (image, class) pair."""
        return ClassPairs.from_lists(
            self._label_lists(data_samples), self.num_foreground, device
        )

    @staticmethod
    def _label_lists(data_samples: Sequence[SegDataSample]) -> list[tuple[int, ...]]:
        lists = [sample.get('gt_labels') for sample in data_samples]
        if None in lists:
            lacking = data_samples[lists.index(None)].get('img_path')
            raise ValueError(
                f"{lacking} has no gt_labels; training and cam_filter='gt' need image "
                'labels: let PackWeakInputs keep them, or predict with '
                "cam_filter='pred'"
            )
        return lists

    @staticmethod
    def valid_boxes(data_samples: Sequence[SegDataSample]) -> Tensor | None:
        """(B, 4) boxes of real pixels, or ``None`` where the pipeline gives none."""
        if not all('valid_box' in sample for sample in data_samples):
            return None
        return torch.stack([sample.valid_box for sample in data_samples])

    @torch.no_grad()
    def fused_cams(
        self, images: Tensor, labels: ImageLabels, features: Features | None = None
    ) -> FusedCAMs:
        """CAMs over scales and mirrors, of the present classes only.

        Args:
            images: (B, 3, H, W), normalised.
            labels: which classes to keep.
            features: of these images at scale 1, where they are known already.
        """
        taps = multi_scale(
            lambda batch: self.view_cams(self.encode(batch)),
            images,
            self.train_cfg['cam_scales'],
            plain=None if features is None else self.view_cams(features),
        )
        fused = [self.fuse(tap, labels, tuple(images.shape[-2:])) for tap in taps]
        return FusedCAMs(fused[0], fused[1] if len(fused) > 1 else None)

    @staticmethod
    def fuse(
        raw: Sequence[tuple[Tensor, Tensor]],
        labels: ImageLabels,
        size: tuple[int, int],
        pair: str = 'max',
        normalise: str = 'minmax',
        multiple: int = 1,
    ) -> Tensor:
        """Fuse the views of all classes into compact CAMs (B, K, H, W)."""
        present = [tuple(labels.gather(maps) for maps in views) for views in raw]
        return labels.valid(
            fuse_cams(present, size, pair=pair, normalise=normalise, multiple=multiple)
        )

    def grey_levels(self, images: Tensor) -> Tensor:
        """Normalised images → grey levels 0..255, float32."""
        return self.data_preprocessor.denormalise(images)

    @torch.no_grad()
    def pseudo_label(
        self,
        images: Tensor,
        cam: Tensor,
        labels: ImageLabels,
        box: Tensor | None = None,
        low_thr: float | None = None,
        high_thr: float | None = None,
    ) -> Tensor:
        """Refined pseudo label (B, H, W) with 255 = ignore.

        Args:
            images: (B, 3, H, W), normalised.
            cam: (B, K, H, W) compact CAM.
            labels: its classes.
            box: (B, 4) real pixels, or ``None``.
            low_thr, high_thr: default: those of ``train_cfg``.
        """
        return refined_label(
            truncate_to_unit(self.grey_levels(images)),
            cam,
            labels,
            self.train_cfg['high_thr'] if high_thr is None else high_thr,
            self.train_cfg['low_thr'] if low_thr is None else low_thr,
            self.refine,
            box,
        )

    @torch.no_grad()
    def token_pairs(
        self,
        aux_cam: Tensor,
        labels: ImageLabels,
        box: Tensor | None,
        features: Features,
        scaled_box: bool = True,
    ) -> Tensor:
        """Pair targets of L_ptc (ToCo, section 3.2) from the auxiliary CAM.

        ``scaled_box=False`` applies the box in pixels to the token grid (ToCo as
        released).
        """
        size, grid = tuple(aux_cam.shape[-2:]), tuple(features.maps[-1].shape[-2:])
        if box is not None and scaled_box:
            box = scale_box(box, size, grid)
        score, label = strongest_class(resize(aux_cam, grid), labels.ids)
        return affinity_targets(
            three_way_label(
                score, label, self.train_cfg['low_thr'], self.train_cfg['high_thr'], box
            )
        )

    # ---------------------------------------------------------------- losses
    def loss(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        data_samples: Sequence[SegDataSample],
    ) -> dict[str, Tensor]:
        """The CAM baseline: classification, and segmentation where it has a decoder.

        Args:
            inputs: (B, 3, H, W) images or a dict with ``'view1'``.
            data_samples: with ``gt_labels`` and, if known, ``valid_box``.
        """
        images = inputs['view1'] if isinstance(inputs, Mapping) else inputs
        labels = self.image_labels(data_samples, images.device)
        box = self.valid_boxes(data_samples)
        features = self.encode(images)
        terms = self.classification(features, labels)
        statistics = {}
        if self.active & {'seg', 'reg'}:
            cams = self.fused_cams(images, labels, features)
            label = self.pseudo_label(images, cams.cam, labels, box)
            terms |= self.segmentation(features, images, label, box)
            statistics = label_shares(label, box)
        return self.weigh(terms) | statistics

    def classification(
        self, features: Features, labels: ImageLabels
    ) -> dict[str, Tensor]:
        """L_cls and, with an auxiliary head, L_cls^aux."""
        terms = {}
        if 'cls' in self.active:
            logits = self.cam_head(features.maps)
            terms['cls'] = self.losses['cls'](logits, labels.score)
        if 'cls_aux' in self.active:
            logits = self.aux_cam_head(features.maps)
            terms['cls_aux'] = self.losses['cls_aux'](logits, labels.score)
        return terms

    def segmentation(
        self, features: Features, images: Tensor, label: Tensor, box: Tensor | None
    ) -> dict[str, Tensor]:
        """L_seg and L_reg of the decoder's logits on a pseudo label."""
        maps = features.maps
        if self.train_cfg.get('detach_decoder', False):
            maps = tuple(m.detach() for m in maps)
        # Resized once for both losses, in float32.
        logits = resize(self.decode_head(maps).float(), tuple(label.shape[-2:]))
        terms = {}
        if 'seg' in self.active:
            terms['seg'] = self.losses['seg'](logits, label)
        if 'reg' in self.active:
            terms['reg'] = self.losses['reg'](
                self.grey_levels(images), logits, label, box
            )
        return terms

    # ---------------------------------------------------------------- mmseg's contract
    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """The backbone's maps."""
        return self.encode(inputs).maps

    def encode_decode(self, inputs: Tensor, batch_data_samples: Any = None) -> Tensor:
        """Segmentation logits (B, C + 1, H, W) at input size."""
        logits = self.decode_head(self.extract_feat(inputs))
        return resize(logits, tuple(inputs.shape[-2:]))

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> tuple[Tensor, ...]:
        features = self.encode(inputs)
        heads = (self.cam_head, self.decode_head)
        return tuple(head(features.maps) for head in heads if head is not None)
