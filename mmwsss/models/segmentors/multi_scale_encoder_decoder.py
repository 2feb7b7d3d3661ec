# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmseg.models import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.cam import resize
from mmwsss.io.errors import check_choice
from mmwsss.io.setting_types import check_positive
from mmwsss.registry import MODELS

from ..build_head import with_width

FUSIONS = ('max', 'mean')
LABEL_RESIZES = ('nearest', 'nearest-exact')


def check_scales(scales: Sequence[float], where: str) -> tuple[float, ...]:
    """The scales as a tuple.

    Raises:
        ValueError: if there are none, or one isn't positive.
    """
    check_positive(where, scales)
    return tuple(float(s) for s in scales)


@MODELS.register_module()
class MultiScaleEncoderDecoder(EncoderDecoder):
    """mmseg's ``EncoderDecoder`` that can run on scaled copies of its input.

    * ``train_cfg.scales``, the first one 1 (DeepLab-v2: 1, 0.5, 0.75): a cross entropy
      for each scale, and one for the pixel-wise maximum of all logits on the grid of
      the first; the losses are summed, labels resized to each grid by nearest
      neighbours, ``train_cfg.label_resize``: ``'nearest'`` (EPS's release) or
      ``'nearest-exact'``, the pixel at the centre, as PIL does it (CLIP-ES).
    * ``test_cfg.scales``, ``flip`` and ``fuse``: logits of all scales, and of mirrors,
      resized to the input and fused by ``'max'`` (DeepLab-v2) or ``'mean'``
      (DeepLab-v1 in SemFormer).

    Without these settings it is an ``EncoderDecoder``, whose decoder takes its width
    from the backbone.

    Raises:
        ValueError: if one of them isn't what it can be.
    """

    def __init__(
        self,
        *args: Any,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        # mmseg reads them by attribute
        train_cfg = ConfigDict(train_cfg or {})
        self.label_resize = train_cfg.pop('label_resize', 'nearest')
        check_choice('train_cfg.label_resize', self.label_resize, LABEL_RESIZES)
        test_cfg = ConfigDict(dict(mode='whole') | dict(test_cfg or {}))
        self.train_scales = check_scales(
            train_cfg.pop('scales', (1.0,)), 'train_cfg.scales'
        )
        self.test_scales = check_scales(
            test_cfg.pop('scales', (1.0,)), 'test_cfg.scales'
        )
        self.flip = test_cfg.pop('flip', False)
        self.fuse = test_cfg.pop('fuse', 'mean')
        if not isinstance(self.flip, bool):
            raise ValueError(f'test_cfg.flip must be True or False, got {self.flip!r}')
        if self.train_scales[0] != 1 or self.fuse not in FUSIONS:
            raise ValueError(
                f'train_cfg.scales must begin with 1 and test_cfg.fuse be one of '
                f'{FUSIONS}, got {self.train_scales} and {self.fuse!r}'
            )
        super().__init__(*args, train_cfg=train_cfg, test_cfg=test_cfg, **kwargs)

    def _init_decode_head(self, decode_head: dict) -> None:
        named = with_width(decode_head, self.backbone, 'decode_head')
        super()._init_decode_head(ConfigDict(named))

    # ---------------------------------------------------------------- training
    def loss(
        self, inputs: Tensor, data_samples: Sequence[SegDataSample]
    ) -> dict[str, Tensor]:
        """The losses of all scales and of their maximum.

        Args:
            inputs: (B, 3, H, W), normalised.
            data_samples: with ``gt_sem_seg``.
        """
        if len(self.train_scales) == 1:
            return super().loss(inputs, data_samples)
        logits = [
            self.decode_head(self.extract_feat(self._scaled(inputs, scale)))
            for scale in self.train_scales
        ]
        grid = logits[0].shape[-2:]
        logits.append(torch.stack([resize(x, grid) for x in logits]).amax(0))
        names = [f'loss_{scale:g}' for scale in self.train_scales] + ['loss_max']
        truth = torch.stack([s.gt_sem_seg.data for s in data_samples]).float()
        losses = {}
        for name, x in zip(names, logits, strict=True):
            label = F.interpolate(truth, x.shape[-2:], mode=self.label_resize)
            losses[name] = self.decode_head.loss_decode(
                x.float(),
                label[:, 0].long(),
                ignore_index=self.decode_head.ignore_index,
            )
        return losses

    def _scaled(self, images: Tensor, scale: float) -> Tensor:
        """Images at a scale, half-pixel bilinear; sides truncated."""
        height, width = (max(int(side * scale), 1) for side in images.shape[-2:])
        return resize(images, (height, width))

    # ---------------------------------------------------------------- testing
    def whole_inference(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Fused logits (B, C + 1, H, W) at input size."""
        views, total = self._views(inputs), None
        for mirror, view in views:
            logits = F.interpolate(
                self.decode_head(self.extract_feat(view)).float(),
                inputs.shape[-2:],
                mode='bilinear',
                align_corners=self.align_corners,
            )
            logits = logits.flip(-1) if mirror else logits
            if total is None:
                total = logits
            elif self.fuse == 'max':
                total = torch.maximum(total, logits)
            else:
                total = total + logits
        assert total is not None  # there is at least one scale
        return total / len(views) if self.fuse == 'mean' else total

    def _views(self, inputs: Tensor) -> list[tuple[bool, Tensor]]:
        scaled = [self._scaled(inputs, scale) for scale in self.test_scales]
        plain = [(False, view) for view in scaled]
        return plain + [(True, view.flip(-1)) for view in scaled if self.flip]
