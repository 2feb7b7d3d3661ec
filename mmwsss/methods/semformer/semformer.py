# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.teachers.frozen_network import FrozenNetwork
from mmwsss.registry import MODELS
from mmwsss.structures import (
    ClassMaps,
    ClassPairs,
    Features,
    ImageLabels,
    label_lists,
    valid_boxes,
)

from .caae import CAAE
from .class_attention import class_relative_attention
from .complement import (
    activation_maps,
    complementary_images,
    resize_to_corners,
    valid_pixels,
)

HINT = (
    'Train the auto-encoder first (configs/semformer/caae_*.py), then name its '
    'file: --cfg-options model.caae.checkpoint=FILE'
)


@MODELS.register_module()
class SemFormer(WeakSegmentor):
    """SemFormer's segmentor, its second stage (Chen et al., 2022).

    It learns activation maps of all classes, background included. For each class that
    an image holds, the map cuts the image into a foreground and a background image;
    the frozen auto-encoder of the first stage tells whether the one shows this class
    alone (``cf``, L_CF) and the other all but this class (``cb``, L_CB). Maps are kept
    small (``sup``, L_AS) and share every pixel among them (``comp``, L_AC). One token
    for each class learns the same semantics (``ss``, L'_SS); its attention to the
    patches refines the CAM.

    Args:
        backbone: config of a ``ClassTokenViT``; its
            ``attention_blocks`` is U, 0 for CAMs without attention.
        cam_head: config of the ``ActivationHead``.
        token_head: config of the ``ClassTokenHead``.
        caae: config of the :class:`CAAE` without losses and decoder, and
            ``checkpoint``, its trained weights. Needed to train, not to predict; not
            saved with the model.
        train_cfg: ``weights``; ``inactive``; ``caae_size``: (h, w) of the images that
            the auto-encoder judges.
        **kwargs: see :class:`WeakSegmentor`.

    Raises:
        ValueError: if the backbone has another number of class tokens.
    """

    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {
        'cam_head': ('cf', 'cb', 'sup', 'comp'),
        'token_head': ('ss',),
    }
    TRAIN_KEYS: ClassVar[frozenset[str]] = frozenset(
        ('weights', 'inactive', 'caae_size')
    )

    def __init__(
        self,
        *,
        backbone: dict,
        token_head: dict,
        caae: dict,
        num_classes: int,
        **kwargs: Any,
    ) -> None:
        backbone = dict(num_tokens=num_classes) | backbone
        super().__init__(backbone=backbone, num_classes=num_classes, **kwargs)
        if self.backbone.num_tokens != num_classes:
            raise ValueError(
                f'backbone.num_tokens={self.backbone.num_tokens} must be num_classes='
                f'{num_classes}: one for each class, background included'
            )
        self.token_head = self.head(token_head, 'token_head', num_classes=num_classes)
        self.judge = FrozenNetwork(
            caae | dict(num_classes=num_classes), unused=(r'^decoder\.',), hint=HINT
        )

    def init_weights(self) -> None:
        """Initialise; a missing or foreign auto-encoder shows before training."""
        super().init_weights()
        self.judge.load(next(self.parameters()).device)

    def loss(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        data_samples: Sequence[SegDataSample],
    ) -> dict[str, Tensor]:
        """One training step (Eq. 13).

        Args:
            inputs: (B, 3, H, W) normalised images, or a dict with ``'view1'``.
            data_samples: with ``gt_labels`` and, if known, ``valid_box``.
        """
        images = inputs['view1'] if isinstance(inputs, Mapping) else inputs
        pairs = ClassPairs.from_lists(
            label_lists(data_samples), self.num_foreground, images.device
        )
        caae = self.judge.load(images.device)
        features = self.encode(images)
        terms: dict[str, Tensor] = {}
        if self.active & {'cf', 'cb', 'sup', 'comp'}:
            valid = valid_pixels(
                valid_boxes(data_samples),
                tuple(images.shape[-2:]),
                tuple(self.train_cfg['caae_size']),
                len(images),
                images.device,
            )
            maps = activation_maps(self.cam_head.activation(features.maps), valid)
            terms |= self.judge_images(caae, images, maps, pairs)
            if 'sup' in self.active:
                terms['sup'] = self.losses['sup'](maps)
            if 'comp' in self.active:
                terms['comp'] = self.losses['comp'](maps, pairs, valid)
        if 'ss' in self.active:
            terms['ss'] = self.losses['ss'](
                self.token_head(features.cls_token),
                caae.semantics.semantics,
                pairs.score,
            )
        return self.weigh(terms)

    def judge_images(
        self, caae: CAAE, images: Tensor, maps: Tensor, pairs: ClassPairs
    ) -> dict[str, Tensor]:
        """L_CF and L_CB; both kinds of images go through the auto-encoder at once.

        Args:
            caae: the auto-encoder.
            images: (B, 3, H, W), normalised.
            maps: (B, K, h, w) activation of all classes.
            pairs: the present ones.
        """
        terms = [term for term in ('cf', 'cb') if term in self.active]
        if not terms:
            return {}
        small = resize_to_corners(images, tuple(maps.shape[-2:]))
        sides = complementary_images(small, pairs.gather(maps), pairs)
        shown = [
            image
            for term, image in zip(('cf', 'cb'), sides, strict=True)
            if term in terms
        ]
        patches, _ = caae.patches(torch.cat(shown))
        ids = pairs.pair_ids
        embeddings = caae.semantics.embed_classes(patches, ids.repeat(len(terms), 1))
        semantics = caae.semantics.semantics[ids]
        return {
            term: self.losses[term](one, semantics, pairs)
            for term, one in zip(terms, embeddings.chunk(len(terms)), strict=True)
        }

    def view_maps(
        self, features: Features, labels: ImageLabels
    ) -> tuple[ClassMaps, ...]:
        """The objects' activation (no sigmoid, as released) times attention."""
        (cams,) = self.cam_logits(features)
        return (ClassMaps(self.attended(cams, features)),)

    def dense_logits(self, features: Features) -> Tensor:
        """The same with gradient, for losses on maps."""
        return self.attended(self.cam_head.dense(features.maps), features)

    @staticmethod
    def attended(cams: Tensor, features: Features) -> Tensor:
        """Activation times the attention of the class tokens, where it is recorded."""
        if features.attention is None:
            return cams.relu()
        attention = class_relative_attention(
            features.attention, features.attention.shape[1]
        )
        return cams.relu() * attention[:, 1:]
