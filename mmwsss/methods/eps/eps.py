# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.registry import MODELS
from mmwsss.structures import ClassMaps, Features, ImageLabels, side_input


@MODELS.register_module()
class EPS(WeakSegmentor):
    """Explicit pseudo-pixel supervision from saliency maps (Lee et al., CVPR 2021).

    An image classifier with a channel for the background, the last one. Its class maps,
    sorted into foreground and background, must add up to a given saliency map. The
    network is the first stage of a pipeline: it has no decoder, its output are CAMs.

    Args:
        cam_head: config of a ``CAMHead`` with ``background=True``.
        **kwargs: see :class:`WeakSegmentor`; the loss terms are ``cls`` and ``sal``.

    Raises:
        ValueError: if the CAM head has no channel for the background.
    """

    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_MODULES,
        'cam_head': ('cls', 'sal'),
    }
    #: training makes neither CAMs nor a decoder's labels
    TRAIN_KEYS: ClassVar[frozenset[str]] = frozenset(('weights', 'inactive'))

    def __init__(self, *, cam_head: dict, **kwargs: Any) -> None:
        super().__init__(cam_head=cam_head, **kwargs)
        channels = self.cam_head.classifier.out_channels
        if channels != self.num_classes:
            raise ValueError(
                f'EPS needs {self.num_classes} CAM channels, {self.num_foreground} '
                f'classes and the background, its cam_head gives {channels}: set '
                'background=True there'
            )

    def loss(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        data_samples: Sequence[SegDataSample],
    ) -> dict[str, Tensor]:
        """One training step: L_cls + L_sal.

        Args:
            inputs: (B, 3, H, W) normalised images or a dict with ``'view1'``.
            data_samples: with ``gt_labels`` and ``saliency``.
        """
        images = inputs['view1'] if isinstance(inputs, Mapping) else inputs
        labels = self.image_labels(data_samples, images.device)
        logits = self.cam_head.dense(self.encode(images).maps)
        terms = {}
        if 'cls' in self.active:
            scores = self.cam_head.scores(logits)
            terms['cls'] = self.losses['cls'](scores, labels.score)
        if 'sal' in self.active:
            saliency = torch.stack(side_input(data_samples, 'saliency', 'grey'))
            terms['sal'] = self.losses['sal'](logits, saliency, labels.score)
        return self.weigh(terms)

    def view_maps(
        self, features: Features, labels: ImageLabels
    ) -> tuple[ClassMaps, ...]:
        """Softmax at the network's resolution; the background is the last channel."""
        taps = self.cam_logits(features)
        return tuple(ClassMaps(t.softmax(1), background='last') for t in taps)
