# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.cam import (
    affinity_targets,
    keep_known,
    label_on_grid,
    label_shares,
    multi_scale,
    window_mask,
)
from mmwsss.labelers.refiners.par_refiner import PARRefiner
from mmwsss.models.loss_schedule import StepSchedule
from mmwsss.models.mode import evaluating
from mmwsss.models.prediction.inference_cfg import InferenceCfg
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.registry import MODELS
from mmwsss.structures import PARTIAL, Features, ImageLabels, valid_boxes

from .affinity_head import AffinityHead, check_maps
from .box_refine import refined_propagated_label
from .propagation import propagate_cams

SOURCES = ('cam', 'propagated')


class AttendedCAMs(NamedTuple):
    """Compact CAMs (B, K, H, W), and the affinity (B, hw, hw) of a token grid.

    The affinity is ``None`` where no label is propagated.
    """

    cam: Tensor
    affinity: Tensor | None
    grid: tuple[int, int]


@MODELS.register_module()
class AFA(WeakSegmentor):
    """Affinity from Attention for weakly supervised segmentation (Ru et al., 2022).

    Args:
        affinity_head: config of the head that makes token affinities of attention.
        affinity_radius: pairs of tokens count up to this distance in tokens, in y and
            in x, in the affinity loss and in the propagation.
        train_cfg: adds ``seg_source`` and ``aff_source`` (the pseudo label of the
            decoder and of the affinity: ``'cam'``, or ``'propagated'`` by the affinity,
            or steps), ``stochastic_cams`` (published: ``True``, stochastic depth is
            active in the passes that make CAMs) and ``norm_from_cams`` (published:
            ``True``, the decoder's norm statistics follow those passes too).
        test_cfg: ``pseudo.source`` may be ``'cam'`` (the refined label of the CAM),
            ``'propagated'`` (arg max of the propagated CAM with background ``low_thr``,
            the published evaluation) or ``'refined_propagated'`` (the decoder's label).
        **kwargs: see :class:`WeakSegmentor`.
    """

    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_MODULES,
        'affinity_head': ('aff',),
    }
    TRAIN_KEYS: ClassVar[frozenset[str]] = WeakSegmentor.TRAIN_KEYS | {
        'seg_source',
        'aff_source',
        'stochastic_cams',
        'norm_from_cams',
    }
    TERM_NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_NEEDS,
        'aff': ('labeler',),
    }
    PSEUDO_SOURCES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        'cam': (),
        'propagated': ('labeler.thresholds',),
        'refined_propagated': ('labeler.thresholds',),
    }

    def __init__(
        self, *, affinity_head: dict, affinity_radius: int = 8, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.affinity_head = MODELS.build(affinity_head)
        self.affinity_radius = affinity_radius
        self.seg_source, self.aff_source = (
            StepSchedule(self.train_cfg.get(name, 'cam'), SOURCES, f'train_cfg.{name}')
            for name in ('seg_source', 'aff_source')
        )
        self._check_affinity()

    def _check_affinity(self) -> None:
        """What would stop a run only when the first affinity is needed."""
        window_mask((1, 1), self.affinity_radius)
        heads = getattr(self.backbone, 'attention_heads', None)
        if heads is not None and isinstance(self.affinity_head, AffinityHead):
            check_maps(
                self.backbone.attention_blocks,
                heads,
                self.affinity_head.proj.in_channels,
            )
        sources = dict(seg=self.seg_source, reg=self.seg_source, aff=self.aff_source)
        propagated = [t for t, one in sources.items() if 'propagated' in one.values]
        self.terms.check(self, dict.fromkeys(propagated, ('labeler.thresholds',)))
        refiner = getattr(self.labeler, 'refiner', None)
        if self.labeler is not None and not isinstance(refiner, PARRefiner):
            raise ValueError(
                'AFA refines propagated CAMs inside boxes, which only PAR can: set '
                f'labeler.refiner.type=PAR, got {type(refiner).__name__}'
            )

    def loss(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        data_samples: Sequence[SegDataSample],
    ) -> dict[str, Tensor]:
        """One training step, each distinct image encoded once.

        Args:
            inputs: (B, 3, H, W) normalised images or a dict with ``'view1'``.
            data_samples: with ``gt_labels`` and, if known, ``valid_box``.
        """
        images = inputs['view1'] if isinstance(inputs, Mapping) else inputs
        labels = self.image_labels(data_samples, images.device)
        box = valid_boxes(data_samples)
        features = self.encode(images)
        side = self.side_inputs_of(data_samples)
        terms = self.classification(features, labels, side)
        if not self.active & {'seg', 'aff', 'reg'}:
            return self.weigh(terms)

        source = self.label_sources()
        cams = self.attended_cams(
            images, labels, features, 'propagated' in source.values()
        )
        label = {
            name: self.label_from(name, images, cams, labels, box, side)
            for name in set(source.values())
        }
        if 'aff' in source:
            terms['aff'] = self.affinity(features, label[source['aff']])
        if 'seg' in source:
            target = label[source['seg']]
            terms |= self.segmentation(features, images, target, box, side)
        shown = label[source['seg'] if 'seg' in source else source['aff']]
        return self.weigh(terms) | label_shares(shown, box)

    def label_sources(self) -> dict[str, str]:
        """What the active terms learn from: ``'seg'`` (the decoder) and ``'aff'``."""
        source = {}
        if self.active & {'seg', 'reg'}:
            source['seg'] = self.seg_source(self.iteration)
        if 'aff' in self.active:
            source['aff'] = self.aff_source(self.iteration)
        return source

    @torch.no_grad()
    def attended_cams(
        self,
        images: Tensor,
        labels: ImageLabels,
        features: Features,
        affinity: bool = True,
    ) -> AttendedCAMs:
        """CAMs over scales and mirrors, and the affinity at the largest scale.

        Queries and keys come along as a second tap; the affinity is made, where it is
        wanted, of those of the largest scale's un-mirrored images alone.
        """
        stochastic = self.train_cfg.get('stochastic_cams', True)
        how, scales = self.train_maps, self.train_maps.scale_order
        with evaluating(self.backbone, on=not stochastic):
            plain = self.cam_and_attention(features, labels) if stochastic else None
            cam, attention = multi_scale(
                lambda batch: self.cam_pass(batch, labels),
                images,
                scales,
                plain,
                how.add_one,
                how.mirror,
            )
        largest = scales.index(max(scales))
        return AttendedCAMs(
            self.train_maps.fuse(cam, labels, tuple(images.shape[-2:])),
            self.affinity_head(attention[largest][0]) if affinity else None,
            tuple(cam[largest][0].shape[-2:]),
        )

    def cam_pass(self, images: Tensor, labels: ImageLabels) -> tuple[Tensor, Tensor]:
        """Compact CAM logits and attention of a batch of one scale."""
        features = self.encode(images)
        if self.decode_head is not None and self.train_cfg.get('norm_from_cams', True):
            self.decode_head(features.maps)  # for the statistics of its norm
        return self.cam_and_attention(features, labels)

    def cam_and_attention(
        self, features: Features, labels: ImageLabels
    ) -> tuple[Tensor, Tensor]:
        """What a CAM pass gives, from features."""
        (cam,) = self.compact_maps(features, labels)
        assert features.attention is not None  # the backbone records it
        return cam, features.attention.detach()

    @torch.no_grad()
    def label_from(
        self,
        source: str,
        images: Tensor,
        cams: AttendedCAMs,
        labels: ImageLabels,
        box: Tensor | None,
        side: Mapping[str, Tensor],
    ) -> Tensor:
        """Refined pseudo label (B, H, W) of the CAM, or of the propagated CAM."""
        if source == 'cam':
            return self.pseudo_label(images, cams.cam, labels, box, side)
        thresholds = self.labeler.thresholds
        ids = self.propagated_label(images, cams, labels, box, thresholds)
        return keep_known(ids, side.get(PARTIAL))

    def propagated_label(
        self,
        images: Tensor,
        cams: AttendedCAMs,
        labels: ImageLabels,
        box: Tensor | None,
        thresholds: tuple[float, float],
    ) -> Tensor:
        """CAM propagated by the affinity, then refined inside the box."""
        stacks = self.propagated(cams, labels, thresholds[::-1])
        par = self.labeler.refiner
        pixels = par.seen(self.grey_levels(images))
        return refined_propagated_label(pixels, stacks, labels, par, box, par.downscale)

    def propagated(
        self, cams: AttendedCAMs, labels: ImageLabels, thresholds: Sequence[float]
    ) -> Tensor:
        """Propagated maps (B, T, K + 1, H, W) for T background constants."""
        return propagate_cams(
            cams.cam, labels, cams.affinity, cams.grid, thresholds, self.affinity_radius
        )

    def affinity(self, features: Features, label: Tensor) -> Tensor:
        """L_aff: pairs of tokens with one label should attend to each other."""
        grid = tuple(features.maps[-1].shape[-2:])
        window = window_mask(grid, self.affinity_radius, label.device)
        targets = affinity_targets(label_on_grid(label, grid), window, self_pairs=True)
        return self.losses['aff'](self.affinity_head(features.attention), targets)

    def predicted_label(
        self,
        images: Tensor,
        features: Features | None,
        cam: Tensor,
        labels: ImageLabels,
        cfg: InferenceCfg,
        side: Mapping[str, Tensor],
    ) -> Tensor:
        """The output ``pseudo`` (B, H, W), with the affinity of scale 1."""
        if cfg.pseudo.source == 'cam':
            return super().predicted_label(images, features, cam, labels, cfg, side)
        assert features is not None  # windows allow the source 'cam' alone
        cams = AttendedCAMs(
            cam,
            self.affinity_head(features.attention),
            tuple(features.maps[-1].shape[-2:]),
        )
        labeler = self.labeler.with_thresholds(**cfg.pseudo.thresholds)
        if cfg.pseudo.source == 'refined_propagated':
            return self.propagated_label(images, cams, labels, None, labeler.thresholds)
        maps = self.propagated(cams, labels, labeler.thresholds[:1])[:, 0]
        return labels.to_ids(maps.argmax(1))
