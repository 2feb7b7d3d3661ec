# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.registry import MODELS
from mmwsss.structures import ClassPairs, label_lists

from .semantics import clamped_cosine


@MODELS.register_module()
class CAAE(WeakSegmentor):
    """Class-aware auto-encoder, SemFormer's first stage (Chen et al., 2022).

    It learns one semantic vector for each class, background included, and turns any
    image into one embedding for each class: similar to the semantics of a class that
    the image holds (``sim``, L_SS), and together enough to draw the image again
    (``recon``, L_recon).

    Args:
        backbone: config of the encoder, whose patch tokens alone are read.
        semantics: config of the ``ClassSemantics``.
        decoder: config of the decoder, or ``None`` where only embeddings are wanted
            (the second stage).
        **kwargs: see :class:`WeakSegmentor`.
    """

    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {
        'decoder': ('recon',),
        'semantics.table_weight': ('sim',),
    }
    TRAIN_KEYS: ClassVar[frozenset[str]] = frozenset(('weights', 'inactive'))

    def __init__(
        self, *, semantics: dict, decoder: dict | None = None, **kwargs: Any
    ) -> None:
        super().__init__(cam_head=None, **kwargs)
        self.semantics = self.head(semantics, 'semantics', num_classes=self.num_classes)
        self.decoder: nn.Module = decoder and MODELS.build(
            decoder | dict(in_channels=self.semantics.primary.out_features)
        )
        if 'recon' in self.terms.names and self.decoder is None:
            raise ValueError('the loss term recon needs a decoder, got None')

    def patches(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Patch tokens (B, h w, d) of normalised images, and their grid (h, w)."""
        grid = self.encode(images).maps[-1]
        return grid.flatten(2).transpose(1, 2), tuple(grid.shape[-2:])

    def loss(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        data_samples: Sequence[SegDataSample],
    ) -> dict[str, Tensor]:
        """One training step (Eq. 4).

        Args:
            inputs: (B, 3, H, W) normalised images, or a dict with ``'view1'``.
            data_samples: with ``gt_labels``.
        """
        images = inputs['view1'] if isinstance(inputs, Mapping) else inputs
        pairs = ClassPairs.from_lists(
            label_lists(data_samples), self.num_foreground, images.device
        )
        patches, grid = self.patches(images)
        primary = self.semantics.tokens(patches)
        terms = {}
        if 'sim' in self.active:
            terms['sim'] = self.losses['sim'](
                self.semantics.embed(primary), self.semantics.semantics, pairs.score
            )
        if 'recon' in self.active:
            terms['recon'] = self.losses['recon'](self.decoder(primary, grid), images)
        return self.weigh(terms)

    @torch.no_grad()
    def predict(
        self,
        inputs: Tensor | Sequence[Tensor],
        data_samples: Sequence[SegDataSample] | None = None,
        **overrides: Any,
    ) -> list[SegDataSample]:
        """Similarity of each image to each class.

        Args:
            inputs: (B, 3, H, W) normalised images, or a list of (3, H, W).
            data_samples: the samples to fill.
            **overrides: none is known; an image has one result.

        Returns:
            The samples with ``pred_score`` (C,) of the objects and ``pred_similarity``
            (K,), background first, in [0, 1).
        """
        if isinstance(inputs, Tensor):
            similarity = self.similarity(inputs)
        else:
            similarity = torch.cat([self.similarity(x[None]) for x in inputs])
        samples = data_samples or [SegDataSample() for _ in similarity]
        for sample, one in zip(samples, similarity, strict=True):
            sample.set_field(one, 'pred_similarity')
            sample.set_field(one[1:], 'pred_score')
        return list(samples)

    def similarity(self, images: Tensor) -> Tensor:
        """(B, K) clamped cosine of embeddings and semantics, float32."""
        primary = self.semantics.tokens(self.patches(images)[0])
        return clamped_cosine(
            self.semantics.embed(primary).float(), self.semantics.semantics.float()
        )
