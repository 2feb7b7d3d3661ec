# Licensed under Apache-2.0.
from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.registry import MODELS
from mmwsss.structures import ClassMaps, Features, ImageLabels


def class_vectors(names: Sequence[str], dim: int) -> Tensor:
    """A unit vector (dim,) for each class name; it depends on nothing but the name."""
    rows = []
    for name in names:
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        rows.append(torch.randn(dim, generator=generator))
    return F.normalize(torch.stack(rows), dim=1)


@MODELS.register_module()
class TextGradients(WeakSegmentor):
    """Classes are scored by their names, and class maps are gradients of the scores.

    A miniature of the CLIP family: a frozen vector for each class name takes the place
    of a text encoder; there is no classifier to train.

    Args:
        text_dim: D, length of a class vector and depth of the final map.
        scale: factor of the cosines.
        **kwargs: see :class:`WeakSegmentor`.
    """

    MAPS_NEED_GRAD: ClassVar[bool] = True

    def __init__(self, *, text_dim: int, scale: float = 10.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        # the names decide, not the checkpoint
        zeros = torch.zeros(self.num_foreground, text_dim)
        self.register_buffer('text', zeros, persistent=False)

    def use_metainfo(self, metainfo: Mapping[str, Any]) -> None:
        """Make the class vectors (C, D) of the names of the data set."""
        super().use_metainfo(metainfo)
        vectors = class_vectors(metainfo['classes'][1:], self.text.shape[1])
        self.text.copy_(vectors)

    def image_scores(self, features: Features) -> Tensor:
        """Scaled cosines (B, C) of the pooled map and the class vectors."""
        pooled = F.normalize(features.maps[-1].mean((2, 3)), dim=1)
        return self.scale * pooled @ self.text.T

    def view_maps(
        self, features: Features, labels: ImageLabels
    ) -> tuple[ClassMaps, ...]:
        """The gradient of each present class's score times the map, summed over D.

        All classes of all images at once: no image's score depends on another image.
        """
        final = features.maps[-1]
        scores = labels.gather(self.image_scores(features))
        every = torch.eye(scores.shape[1], device=scores.device, dtype=scores.dtype)
        (gradient,) = torch.autograd.grad(
            scores,
            final,
            every[:, None].expand(-1, len(scores), -1),
            retain_graph=True,
            is_grads_batched=True,
        )
        maps = (gradient * final.detach()).sum(2).transpose(0, 1)
        return (ClassMaps(maps.relu(), labels=labels),)
