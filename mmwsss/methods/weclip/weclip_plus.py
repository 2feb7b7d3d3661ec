# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmwsss.cam import keep_known, resize
from mmwsss.models.prediction.inference_cfg import make_group
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.teachers.frozen_backbone import FrozenBackbone
from mmwsss.registry import MODELS
from mmwsss.structures import PARTIAL, Features, ImageLabels, encode

from .late_label import LateLabelCfg, corrected_where_sure
from .token_fusion import TokenFusion
from .weclip import WeCLIP

DINO_HINT = (
    'Set model.dino.pretrained to a file of DINOv2, see configs/weclip/README.md'
)
#: the terms that all of the decoder learns from
TERMS = ('seg', 'reg', PARTIAL, 'aff', 'dice', 'clip', 'dino')


@MODELS.register_module()
class WeCLIPPlus(WeCLIP):
    """WeCLIP+: one decoder on two frozen encoders, CLIP and DINOv2 (TPAMI 2025).

    CLIP's last map and DINO's each go through a fusion of their own, then through the
    same decoder; the prediction is the mean of their logits. The branches teach each
    other (terms ``clip`` and ``dino``: the branch that learns). RFM, always on, reads
    the affinity of both, and class maps are weighed by the decoder's probabilities
    before they are carried on. Late in training the decoder corrects its pseudo label
    where it is sure; the affinity loss keeps the uncorrected one.

    Args:
        dino: config of the second encoder, any backbone of one stride; its
            ``pretrained`` is the file of its weights, which no checkpoint holds.
        train_cfg: adds ``late_label``, see :class:`.LateLabelCfg`; ``None``: the label
            is never corrected.
        **kwargs: see :class:`.WeCLIP`; the decoder reads one map.
    """

    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {
        'decode_head': TERMS,
        'dino_fusion': TERMS,
    }
    TERM_NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_NEEDS,
        **dict.fromkeys(('aff', 'dice', 'clip', 'dino'), ('decode_head', 'labeler')),
    }
    TRAIN_KEYS: ClassVar[frozenset[str]] = WeCLIP.TRAIN_KEYS | {'late_label'}

    def __init__(self, *, dino: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dino: nn.Module = MODELS.build(dict(dino))
        self.dino_fusion = TokenFusion(
            [self.dino.map_widths[-1]], self.decode_head.channels
        )
        self.frozen_dino = FrozenBackbone(self, 'dino', DINO_HINT)
        late = self.train_cfg.get('late_label')
        self.late_label: LateLabelCfg | None = late and make_group(
            LateLabelCfg, 'train_cfg.late_label', late
        )

    def load_frozen(self) -> None:
        """Read what stands in files of its own, once."""
        super().load_frozen()
        self.frozen_dino.load()

    # ---------------------------------------------------------------- both branches
    def encode(self, images: Tensor) -> Features:
        """Taps of CLIP; ``extra['fused']`` (B, 2d, h, w) of CLIP, then DINO.

        ``extra['branches']`` (B, 2, C + 1, h, w) are the logits of both.
        """
        features = super().encode(images)
        clip = features.extra['fused']
        dino = resize(self.dino_fused(images), tuple(clip.shape[-2:]))
        logits = self.decode_head.decode(torch.cat([clip, dino]))
        extra = dict(
            fused=torch.cat([clip, dino], 1),
            branches=torch.stack(logits.chunk(2), 1),
        )
        return features._replace(extra={**features.extra, **extra})

    def dino_fused(self, images: Tensor) -> Tensor:
        """Fused map (B, d, h', w') of the second encoder, in training with dropout."""
        patch = max(self.dino.patch_embed.projection.stride)
        sides = (max(side // patch, 1) * patch for side in images.shape[-2:])
        with torch.no_grad():
            maps = encode(self.dino, resize(images, tuple(sides))).maps[-1:]
        fused = self.dino_fusion(maps)
        dropout = self.decode_head.dropout
        return fused if dropout is None else dropout(fused)

    def seg_logits(self, features: Features) -> Tensor:
        """The mean (B, C + 1, h, w) of both branches' logits."""
        return features.extra['branches'].mean(1)

    def seeds(self, maps: Tensor, features: Features, labels: ImageLabels) -> Tensor:
        """The class maps (B, K, h, w), weighed by the decoder's probabilities."""
        prob = self.seg_logits(features).float().softmax(1)
        return maps * labels.gather(prob[:, 1:])

    # ---------------------------------------------------------------- training step
    def segmentation(
        self,
        features: Features,
        images: Tensor,
        label: Tensor,
        box: Tensor | None,
        side: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """L_seg and L_dice of the mean logits; what the branches teach each other."""
        size = tuple(label.shape[-2:])
        clip, dino = (
            resize(logits.float(), size)
            for logits in features.extra['branches'].unbind(1)
        )
        mean = (clip + dino) / 2
        label = self.corrected(label, mean, side or {})
        terms = super().segmentation(features, images, label, box, side)
        if 'dice' in self.active:
            terms['dice'] = self.losses['dice'](mean, label)
        if 'clip' in self.active:
            terms['clip'] = self.losses['clip'](clip, dino.argmax(1))
        if 'dino' in self.active:
            terms['dino'] = self.losses['dino'](dino, clip.argmax(1))
        return terms

    @torch.no_grad()
    def corrected(
        self, label: Tensor, logits: Tensor, side: Mapping[str, Tensor]
    ) -> Tensor:
        """The pseudo label (B, H, W), corrected from an iteration on."""
        rule = self.late_label
        if rule is None or self.iteration < rule.begin:
            return label
        late = corrected_where_sure(label, logits, rule.conf_thr)
        return keep_known(late, side.get(PARTIAL))
