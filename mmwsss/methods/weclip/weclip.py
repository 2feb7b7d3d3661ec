# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.cam import (
    affinity_targets,
    label_on_grid,
    label_shares,
    normalise_cam,
    window_mask,
)
from mmwsss.cam.attention_affinity import (
    EPS,
    attention_transition,
    mean_patch_attention,
    spread_by_attention,
)
from mmwsss.cam.score_boxes import score_box_mask
from mmwsss.io.errors import UserError
from mmwsss.models.backbones.clip_vit import CLIPViT
from mmwsss.models.gradient_maps import class_gradient_maps, text_scores
from mmwsss.models.prediction.inference_cfg import make_group
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.teachers.frozen_parts import FrozenParts
from mmwsss.registry import MODELS
from mmwsss.structures import (
    PARTIAL,
    ClassMaps,
    Features,
    ImageLabels,
    encode,
    valid_boxes,
)

from .attention_choice import fused_affinity, mixed_attention
from .fused_token_head import FusedTokenHead
from .refinement_cfg import RefinementCfg

HINT = (
    'Make it of a public CLIP, with the texts of the data set: '
    'tools/model_converters/clip.py SOURCE TARGET --config CONFIG, and set '
    'model.clip.checkpoint=TARGET'
)


@MODELS.register_module()
class WeCLIP(WeakSegmentor):
    """WeCLIP: a decoder on a frozen CLIP (CVPR 2024).

    All blocks of CLIP but the last one feed a small decoder. Its pseudo labels are made
    in the same step: GradCAM of the classes that the image is known to hold, carried
    over the object by CLIP's attention. From an iteration on, the attention is mixed
    with the affinity of the decoder's own tokens, and blocks are chosen by it (RFM).
    CLIP and the text vectors aren't trained, and no checkpoint holds them.

    Args:
        clip: ``checkpoint``, the file of image encoder and texts; and settings of the
            :class:`.ClassTexts`.
        refinement: settings of :class:`.RefinementCfg`.
        affinity_radius: pairs of tokens count up to this distance in tokens, in y and
            in x, in the affinity loss.
        train_cfg: adds ``rfm_begin``, the first zero-based iteration with RFM (0 by
            itself; predictions always have it), and ``ignore_padding``: padding of a
            crop is 255 in its label. As released it is labelled and trained like
            everything else, ``False``.
        **kwargs: see :class:`.WeakSegmentor`; the backbone is a :class:`.CLIPViT`, the
            decoder a :class:`.FusedTokenHead`.

    Raises:
        UserError: if backbone or decoder are others, or the backbone tells the
            attention of fewer blocks than the refinement reads.
    """

    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {
        'decode_head': ('seg', 'reg', PARTIAL, 'aff')
    }
    TERM_NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_NEEDS,
        'aff': ('decode_head', 'labeler'),
    }
    TRAIN_KEYS: ClassVar[frozenset[str]] = WeakSegmentor.TRAIN_KEYS.union(
        ('rfm_begin', 'ignore_padding')
    )
    backbone: CLIPViT
    decode_head: FusedTokenHead

    def __init__(
        self,
        *,
        clip: Mapping[str, Any] | None = None,
        refinement: Mapping[str, Any] | None = None,
        affinity_radius: int = 8,
        cam_head: None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cam_head=cam_head, **kwargs)
        self.refinement: RefinementCfg = make_group(
            RefinementCfg, 'model.refinement', refinement or {}
        )
        self._check_parts()
        window_mask((1, 1), affinity_radius)  # refused now
        self.affinity_radius = affinity_radius
        texts = dict(clip or {})
        checkpoint = texts.pop('checkpoint', None)
        self.texts = MODELS.build(
            dict(
                type='ClassTexts',
                num_classes=self.num_classes,
                text_dims=self.backbone.proj.shape[1],
                **texts,
            )
        )
        self.frozen = FrozenParts(self, ('backbone', 'texts'), checkpoint, HINT)

    def _check_parts(self) -> None:
        """What would stop a run only at its first step."""
        name = type(self).__name__
        parts = dict(backbone=CLIPViT, decode_head=FusedTokenHead)
        for part, kind in parts.items():
            found = getattr(self, part)
            if not isinstance(found, kind):
                raise UserError(
                    f'{name} needs a {part} of the type {kind.__name__}, got '
                    f'{type(found).__name__}'
                )
        told, read = self.backbone.attention_blocks, self.refinement.blocks
        if told < read:
            raise UserError(
                f'model.refinement reads the attention of the last {read} blocks, the '
                f'backbone tells that of {told}: set backbone.attention_blocks={read}'
            )
        begin = self.train_cfg.get('rfm_begin', 0)
        if not isinstance(begin, int) or begin < 0:
            raise UserError(f'train_cfg.rfm_begin must be an iteration, got {begin!r}')

    # ---------------------------------------------------------------- frozen parts
    def init_weights(self) -> None:
        """Initialise the decoder; read the frozen parts."""
        super().init_weights()
        self.load_frozen()

    def load_frozen(self) -> None:
        """Read what stands in files of its own, once."""
        if not self.frozen.loaded:
            self.frozen.load()
            self.backbone.pretrained = self.frozen.checkpoint  # for who reports it

    def use_metainfo(self, metainfo: Mapping[str, Any]) -> None:
        """Take the data set's classes, those that the texts were made for."""
        super().use_metainfo(metainfo)
        self.load_frozen()
        self.frozen.check_classes(metainfo.get('classes'))

    # ---------------------------------------------------------------- training step
    def loss(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        data_samples: Sequence[SegDataSample],
    ) -> dict[str, Tensor]:
        """One training step; each image is encoded once.

        Args:
            inputs: (B, 3, H, W) normalised images, or a dict with ``'view1'``.
            data_samples: with ``gt_labels`` and, if known, ``valid_box``.
        """
        images = inputs['view1'] if isinstance(inputs, Mapping) else inputs
        labels = self.image_labels(data_samples, images.device)
        ignores = self.train_cfg.get('ignore_padding', False)
        box = valid_boxes(data_samples) if ignores else None
        side = self.side_inputs_of(data_samples)
        features = self.encode(images)
        if not self.active - {PARTIAL}:
            return self.weigh(self.classification(features, labels, side))
        cams = self.fused_cams(images, labels, features)
        label = self.pseudo_label(images, cams.cam, labels, box, side)
        terms = self.segmentation(features, images, label, box, side)
        if 'aff' in self.active:
            terms['aff'] = self.affinity(features, label)
        return self.weigh(terms) | label_shares(label, box)

    def encode(self, images: Tensor) -> Features:
        """CLIP's taps without gradient; their fusion as ``extra['fused']``."""
        self.load_frozen()
        features = encode(self.backbone, images)
        fused = self.decode_head.fuse(features.maps)
        return features._replace(extra={**features.extra, 'fused': fused})

    def seg_logits(self, features: Features) -> Tensor:
        """The decoder's logits (B, C + 1, h, w)."""
        return self.decode_head.decode(features.extra['fused'])

    def affinity(self, features: Features, label: Tensor) -> Tensor:
        """L_aff: tokens near each other are alike where their labels are."""
        fused = features.extra['fused']
        grid = tuple(fused.shape[-2:])
        window = window_mask(grid, self.affinity_radius, label.device)
        targets = affinity_targets(label_on_grid(label, grid), window, self_pairs=True)
        return self.losses['aff'](fused_affinity(fused), targets)

    # ---------------------------------------------------------------- maps
    @torch.no_grad()
    def image_scores(self, features: Features) -> Tensor:
        """Logits (B, C) of an image's classes against the background words."""
        last = self.backbone.last_block(features.extra['stream'])
        return text_scores(self.backbone.embed(last.tokens), self.texts)

    @torch.no_grad()
    def view_maps(
        self, features: Features, labels: ImageLabels
    ) -> tuple[ClassMaps, ...]:
        """GradCAM of the image's classes, refined by attention: maps in [0, 1)."""
        grid = tuple(features.extra['fused'].shape[-2:])
        maps, last = class_gradient_maps(
            features.extra['stream'], grid, self.backbone, self.texts, labels
        )
        cfg, mask = self.refinement, None
        if cfg.threshold is not None:
            mask = score_box_mask(maps, cfg.threshold, cfg.closed)
        attention = self.used_attention(features, last)
        transition = attention_transition(attention, cfg.rounds)
        seeds = self.seeds(maps, features, labels)
        refined = spread_by_attention(seeds, transition, mask, cfg.squarings)
        return (ClassMaps(labels.valid(normalise_cam(refined, EPS)), labels),)

    def used_attention(self, features: Features, last: Tensor) -> Tensor:
        """(B, N, N) attention that carries the maps, of both phases.

        Args:
            features: of the images, with the attention of the blocks before the last.
            last: (B, 1 + N, 1 + N) the last block's.
        """
        every = last[:, None]
        if features.attention is not None:
            every = torch.cat([features.attention, every], 1)
        if self.training and self.iteration < self.train_cfg.get('rfm_begin', 0):
            return mean_patch_attention(every, self.refinement.last_before)
        affinity = fused_affinity(features.extra['fused'])
        return mixed_attention(
            every, affinity, self.refinement.last_after, self.refinement.distance
        )

    def seeds(self, maps: Tensor, features: Features, labels: ImageLabels) -> Tensor:
        """The maps (B, K, h, w) that are carried on: the class maps as they are."""
        return maps
