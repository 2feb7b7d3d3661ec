# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import label_shares, resize
from mmwsss.models.memory.memory_bank import MemoryBank
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.teachers.averaged_parts import AveragedParts
from mmwsss.registry import MODELS
from mmwsss.structures import Features, encode, valid_boxes


@MODELS.register_module()
class MemoryAgreement(nn.Module):
    """The cross entropy of features with the classes of a memory.

    Args:
        temperature: of both softmaxes: over the queue, over the prototypes.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, rows: Tensor, ids: Tensor, memory: MemoryBank) -> Tensor:
        """The 0-dim loss.

        Args:
            rows: (B · K, D) unit vectors.
            ids: (B · K,) class ids, 0 in unused slots, which don't count.
            memory: with queue and prototypes.
        """
        # Clones, since the memory changes before the backward pass of a sum of steps.
        queue = rows @ memory.features.clone().T / self.temperature
        same = ids[:, None] == memory.tags
        own = (queue.log_softmax(1) * same).sum(1) / same.sum(1).clamp_min(1)
        near = rows @ memory.prototypes.clone().T / self.temperature
        true = F.cross_entropy(near, (ids - 1).clamp_min(0), reduction='none')
        used = ids > 0
        return ((true - own) * used).sum() / used.sum().clamp_min(1)


@MODELS.register_module()
class RememberingTeacher(WeakSegmentor):
    """A teacher of moving averages fills a memory that its student agrees with.

    A miniature of SeCo and MoCo: the teacher's feature of each present class goes into
    a queue and into the prototype of the class; the term ``mem`` draws the student's
    features to those of their class.

    Args:
        memory: settings of the ``MemoryBank``; it has a prototype for each class.
        train_cfg: adds ``ema_momentum``.
        **kwargs: see :class:`WeakSegmentor`.
    """

    TRAIN_KEYS: ClassVar[frozenset[str]] = WeakSegmentor.TRAIN_KEYS | {'ema_momentum'}

    def __init__(self, *, memory: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.averaged = AveragedParts(self, ('backbone', 'cam_head', 'decode_head'))
        self.memory = MemoryBank(**memory, num_foreground=self.num_foreground)

    def loss(
        self, inputs: Mapping[str, Tensor], data_samples: Sequence[SegDataSample]
    ) -> dict[str, Tensor]:
        """One training step."""
        images = inputs['view1']
        labels = self.image_labels(data_samples, images.device)
        box = valid_boxes(data_samples)
        if self.iteration > 0:  # take up what the last optimiser step left
            self.averaged.follow(self.train_cfg['ema_momentum'])

        features = self.encode(images)
        terms = self.classification(features, labels)
        cams = self.fused_cams(images, labels, features)
        with torch.no_grad():
            teacher = encode(self.backbone_ema.module, images)
        self.remember(class_features(teacher, cams.cam), labels.ids.flatten())
        rows = class_features(features, cams.cam)
        terms['mem'] = self.losses['mem'](rows, labels.ids.flatten(), self.memory)
        if 'seg' in self.active:
            label = self.pseudo_label(images, cams.cam, labels, box)
            terms |= self.segmentation(features, images, label, box)
            return self.weigh(terms) | label_shares(label, box)
        return self.weigh(terms)

    def remember(self, rows: Tensor, ids: Tensor) -> None:
        """Put the teacher's features (B · K, D) into the memory, with class ids."""
        self.memory.enqueue(rows, ids)
        self.memory.update_prototypes(rows, ids)


def class_features(features: Features, cam: Tensor) -> Tensor:
    """Unit vectors (B · K, D): the mean of the final map, weighted by each CAM."""
    final = features.maps[-1].float()
    weight = resize(cam, tuple(final.shape[-2:]))
    rows = torch.einsum('bdhw,bkhw->bkd', final, weight)
    return F.normalize(rows.flatten(0, 1), dim=1)
