# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor

from mmwsss.cam.attention_affinity import attention_refined
from mmwsss.io.errors import UserError
from mmwsss.io.setting_types import check_types
from mmwsss.models.backbones.clip_vit import CLIPViT
from mmwsss.models.gradient_maps import class_gradient_maps, text_scores
from mmwsss.models.prediction.inference_cfg import make_group
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.registry import MODELS
from mmwsss.structures import ClassMaps, Features, ImageLabels


@dataclass(frozen=True)
class AffinityCfg:
    """The refinement of class maps by attention (CAA): ``model.affinity``.

    Attributes:
        threshold: λ of the boxes around a map's regions, which say where values come
            from: 0.4 on VOC, 0.7 on COCO; ``None``: they come from everywhere.
        last: blocks whose attention is averaged, the last ones.
        rounds: of dividing columns and rows by their sums.
        squarings: of the transition matrix.
        closed: whether boxes reach to the last row and column of the grid; ``False``
            as released.
    """

    threshold: float | None = 0.4
    last: int = 8
    rounds: int = 3
    squarings: int = 1
    closed: bool = False

    def __post_init__(self) -> None:
        check_types(self, 'model.affinity')
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UserError(
                f'model.affinity.threshold must be in [0, 1], got {self.threshold}'
            )
        if self.last < 1 or self.rounds < 0 or self.squarings < 0:
            raise UserError(
                'model.affinity needs last >= 1, rounds >= 0 and squarings >= 0, got '
                f'{self.last}, {self.rounds} and {self.squarings}'
            )


@MODELS.register_module()
class CLIPES(WeakSegmentor):
    """CLIP-ES (CVPR 2023): class maps of a frozen CLIP, without any training.

    The classes that an image is known to hold and a list of background words compete
    for it as texts. The gradient of each class's probability weighs the channels of the
    last block (GradCAM); CLIP's own attention then carries the map from where it is
    strong over the object (CAA). Labels are made of these maps by a dense CRF; whatever
    segmenter learns from them. Image labels are needed: ``cam_filter='gt'``.

    Args:
        texts: settings of the :class:`.ClassTexts`; its vectors come with the weights
            of ``tools/model_converters/clip.py``.
        affinity: settings of :class:`AffinityCfg`, or ``None``: plain GradCAM.
        **kwargs: see :class:`.WeakSegmentor`; the backbone is a :class:`.CLIPViT`.

    Raises:
        UserError: if the backbone is another one.
    """

    MAPS_NEED_GRAD: ClassVar[bool] = True
    backbone: CLIPViT

    def __init__(
        self,
        *,
        texts: Mapping[str, Any] | None = None,
        affinity: Mapping[str, Any] | None = None,
        cam_head: None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cam_head=cam_head, **kwargs)
        if not isinstance(self.backbone, CLIPViT):
            raise UserError(
                'CLIP-ES reads the attention and the last block of a CLIPViT, got '
                f'backbone.type={type(self.backbone).__name__}'
            )
        self.texts = MODELS.build(
            dict(
                type='ClassTexts',
                num_classes=self.num_classes,
                text_dims=self.backbone.proj.shape[1],
                **(texts or {}),
            )
        )
        self.affinity = (
            None
            if affinity is None
            else make_group(AffinityCfg, 'model.affinity', affinity)
        )

    def loss(self, inputs: Any, data_samples: Any) -> NoReturn:
        """Refused: nothing of it is trained."""
        raise UserError(
            'CLIP-ES has nothing to train: make labels with '
            'tools/generate_pseudo_labels.py, or run its pipeline, whose last stages '
            'train a segmenter on them'
        )

    @torch.no_grad()
    def image_scores(self, features: Features) -> Tensor:
        """Logits (B, C) of an image's classes against the background words."""
        self.texts.check()
        last = self.backbone.last_block(features.extra['stream'])
        return text_scores(self.backbone.embed(last.tokens), self.texts)

    def view_maps(
        self, features: Features, labels: ImageLabels
    ) -> tuple[ClassMaps, ...]:
        """GradCAM of the image's classes, refined by attention: maps in [0, 1)."""
        grid = tuple(features.maps[-1].shape[-2:])
        maps, attention = class_gradient_maps(
            features.extra['stream'], grid, self.backbone, self.texts, labels
        )
        if self.affinity is not None:
            maps = self.refined(maps, features, attention)
        return (ClassMaps(labels.valid(maps), labels),)

    def refined(self, maps: Tensor, features: Features, last: Tensor) -> Tensor:
        """Class-aware attention-based affinity (CAA).

        Args:
            maps: (B, K, h, w).
            features: of the images, with the attention of the blocks before the last.
            last: (B, 1 + N, 1 + N) the last block's.
        """
        cfg, attention = self.affinity, last[:, None]
        assert cfg is not None
        if features.attention is not None:
            attention = torch.cat([features.attention, attention], 1)
        return attention_refined(
            maps,
            attention,
            cfg.threshold,
            last=cfg.last,
            rounds=cfg.rounds,
            squarings=cfg.squarings,
            closed=cfg.closed,
        )
