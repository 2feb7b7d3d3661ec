# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.cam import (
    fuse_seg_logits,
    long_side_size,
    resize,
    scale_views,
    scaled_size,
    strided_size,
    strongest_class,
    with_mirror,
)
from mmwsss.io.errors import UserError
from mmwsss.models.inference_cfg import InferenceCfg
from mmwsss.models.teachers.averaged_parts import AveragedParts
from mmwsss.registry import MODELS
from mmwsss.structures import ClassMaps, Features, ImageLabels

Pass = tuple[Features, Features | None]
Images = Tensor | Sequence[Tensor]


class PredictMixin:
    """Prediction of a weakly supervised network: each distinct input is encoded once.

    Segmentation, CAMs and pseudo labels at all their scales share the passes; only what
    depends on an image's own label size is done image by image.
    """

    #: values of ``test_cfg.pseudo_source``
    PSEUDO_SOURCES: ClassVar[tuple[str, ...]] = ('cam',)
    _told_about_labels = False
    #: the moving averages that a method keeps of its networks, if any
    averaged: AveragedParts | None = None

    @torch.no_grad()
    def predict(
        self,
        inputs: Images | Mapping[str, Images],
        data_samples: Sequence[SegDataSample] | None = None,
        **overrides: Any,
    ) -> list[SegDataSample]:
        """Predict segmentation, CAMs and pseudo labels.

        Args:
            inputs: (B, 3, H, W) normalised images, or a list of (3, H, W) where sizes
                differ; or a dict of such, the ready views ``scale_<s>`` of a test
                protocol that resizes 8-bit images.
            data_samples: with ``ori_shape`` (the size of all outputs) and, only for
                ``cam_filter='gt'``, ``gt_labels``.
            **overrides: entries of ``test_cfg`` to replace, see
                :class:`~mmwsss.models.inference_cfg.InferenceCfg`.

        Returns:
            The samples with ``pred_score`` (C,) class probabilities and, as asked for,
            ``pred_sem_seg`` (data (1, H, W) int64), ``pred_prob`` (data (C + 1, H, W)
            probabilities), ``pred_cam``, ``pred_aux_cam`` (score (1, H, W) in [0, 1],
            label (1, H, W) in 1..C, no threshold applied), ``pred_pseudo`` (data
            (1, H, W) with 255 = ignore), ``class_maps`` (stride →
            :class:`~mmwsss.structures.ClassMaps` of the kept classes).

        Raises:
            UserError: if the model lacks the part that an output comes from.
        """
        cfg = InferenceCfg.of(self.test_cfg, **overrides)
        if cfg.wants_cams and cfg.cam_filter == 'gt':
            self._tell_about_labels()
        if cfg.use_teacher:
            return self.teacher_network().predict(
                inputs, data_samples, **overrides | dict(use_teacher=False)
            )
        self._check_outputs(cfg.outputs)
        if cfg.pseudo_source not in self.PSEUDO_SOURCES:
            raise ValueError(
                f'test_cfg.pseudo_source must be one of {self.PSEUDO_SOURCES} for '
                f'{type(self).__name__}, got {cfg.pseudo_source!r}'
            )
        return [
            sample
            for batch in self._batches(inputs, data_samples, cfg)
            for sample in self._predict_batch(*batch, cfg)
        ]

    def class_maps(
        self,
        inputs: Images | Mapping[str, Images],
        data_samples: Sequence[SegDataSample] | None = None,
        strides: Sequence[int] = (1,),
        **overrides: Any,
    ) -> list[dict[int, ClassMaps]]:
        """The fused CAM of each image, class by class, on one grid or several.

        Args: as for :meth:`predict`; strides: of the grids, which have
            ``(H - 1) // stride + 1`` rows and likewise columns of the label size.

        Returns:
            For each image: stride → its maps.
        """
        samples = self.predict(
            inputs,
            data_samples,
            **overrides | dict(outputs=('class_maps',), map_strides=tuple(strides)),
        )
        return [sample.class_maps for sample in samples]

    @staticmethod
    def _batches(
        inputs: Images | Mapping[str, Images],
        samples: Sequence[SegDataSample] | None,
        cfg: InferenceCfg,
    ) -> Iterator[tuple[dict[float, Tensor], Images, list]]:
        """Batches of one size: scale → images; the photos; the samples."""
        views = scale_views(inputs)
        photos = views[1.0]
        samples = [SegDataSample() for _ in photos] if samples is None else samples
        if cfg.squash is not None or cfg.resize_long is not None:
            size = None if cfg.squash is None else tuple(cfg.squash)
            images = [
                resize(
                    x[None],
                    size or long_side_size(tuple(x.shape[-2:]), cfg.resize_long),
                )[0]
                for x in photos
            ]
            alike = len({x.shape for x in images}) == 1
            views = {1.0: torch.stack(images) if alike else images}
        if all(isinstance(view, Tensor) for view in views.values()):
            yield views, photos, list(samples)
            return
        for i, (photo, sample) in enumerate(zip(photos, samples, strict=True)):
            yield {s: view[i][None] for s, view in views.items()}, photo[None], [sample]

    def _check_outputs(self, outputs: Sequence[str]) -> None:
        makers = dict(
            seg='decode_head',
            prob='decode_head',
            aux_cam='aux_cam_head',
            pseudo='refine',
        )
        for output in outputs:
            if output in makers and getattr(self, makers[output]) is None:
                raise UserError(
                    f'test_cfg.outputs asks for {output!r}, but the model '
                    f'has no {makers[output]}'
                )

    def teacher_network(self) -> PredictMixin:
        """This model with the averaged copies in place of the networks they follow.

        Everything else is shared with it; nothing is copied.

        Raises:
            UserError: if the backbone has no averaged copy.
        """
        return (self.averaged or AveragedParts(self, ())).network()

    def _tell_about_labels(self) -> None:
        if not self._told_about_labels:
            print_log(
                "cam_filter='gt': CAMs and pseudo labels are masked by the "
                'GROUND-TRUTH image labels',
                logger='current',
            )
            self._told_about_labels = True

    def _predict_batch(
        self,
        views: dict[float, Tensor],
        photos: Images,
        samples: list[SegDataSample],
        cfg: InferenceCfg,
    ) -> list[SegDataSample]:
        images = views[1.0]
        passes = self._run_passes(views, cfg)
        sizes = [
            tuple(s.metainfo.get('ori_shape', p.shape[-2:]))[:2]
            for s, p in zip(samples, photos, strict=True)
        ]
        logits = self.cam_head(passes[1.0][0].maps).float()
        for sample, score in zip(samples, logits.sigmoid(), strict=True):
            sample.set_field(score, 'pred_score')
        if cfg.wants_seg:
            self._predict_seg(passes, photos, samples, sizes, cfg)
        if cfg.wants_cams:
            labels = self._kept_classes(cfg.cam_filter, logits, samples)
            self._predict_cams(passes, images, labels, samples, sizes, cfg)
        return samples

    def _run_passes(
        self, views: dict[float, Tensor], cfg: InferenceCfg
    ) -> dict[float, Pass]:
        images = views[1.0]
        passes = {}
        for scale, mirror in cfg.passes().items():
            scaled = views.get(scale)
            if scaled is None:
                scaled = resize(images, scaled_size(tuple(images.shape[-2:]), scale))
            features = self.encode(with_mirror(scaled) if mirror else scaled)
            batch = len(images)
            passes[scale] = (
                features.select(slice(batch)),
                features.select(slice(batch, None)) if mirror else None,
            )
        return passes

    def _kept_classes(
        self, cam_filter: str, logits: Tensor, samples: Sequence[SegDataSample]
    ) -> ImageLabels:
        if cam_filter == 'gt':
            return self.image_labels(samples, logits.device)
        if cam_filter == 'none':
            return ImageLabels.every_class(*logits.shape, logits.device)
        # 'pred': every class above 0.5, or the best one where there is none
        keep = (logits > 0) | (logits == logits.amax(1, keepdim=True))
        lists = [row.nonzero().flatten().tolist() for row in keep.cpu()]
        return ImageLabels.from_lists(lists, self.num_foreground, logits.device)

    def _predict_seg(
        self,
        passes: dict[float, Pass],
        photos: Sequence[Tensor],
        samples: Sequence[SegDataSample],
        sizes: Sequence[tuple[int, int]],
        cfg: InferenceCfg,
    ) -> None:
        raw = []
        for scale in cfg.seg_scales:
            plain, mirrored = passes[float(scale)]
            raw.append(
                (
                    self.decode_head(plain.maps),
                    self.decode_head(mirrored.maps) if cfg.seg_flip else None,
                )
            )
        grid = tuple(raw[0][0].shape[-2:]) if cfg.seg_fuse_at == 'logits' else None
        for i, (sample, size) in enumerate(zip(samples, sizes, strict=True)):
            one = [(p[i : i + 1], None if m is None else m[i : i + 1]) for p, m in raw]
            scores = fuse_seg_logits(one, size, cfg.seg_pair, cfg.seg_fuse, grid)
            refined = cfg.post_processor is not None
            if refined:
                pixels = resize(self.grey_levels(photos[i][None]), size)
                scores = self._post_processor(cfg)(pixels, scores.softmax(1))
            sample.set_field(PixelData(data=scores.argmax(1)), 'pred_sem_seg')
            if 'prob' in cfg.outputs:
                prob = scores if refined else scores.softmax(1)
                sample.set_field(PixelData(data=prob[0]), 'pred_prob')

    def _post_processor(self, cfg: InferenceCfg) -> Any:
        if getattr(self, '_post', None) is None or self._post[0] != cfg.post_processor:
            self._post = cfg.post_processor, MODELS.build(dict(cfg.post_processor))
        return self._post[1]

    def _predict_cams(
        self,
        passes: dict[float, Pass],
        images: Tensor,
        labels: ImageLabels,
        samples: Sequence[SegDataSample],
        sizes: Sequence[tuple[int, int]],
        cfg: InferenceCfg,
    ) -> None:
        pairs = [
            tuple(zip(*(self.view_cams(f) for f in passes[scale]), strict=True))
            for scale in cfg.cam_scale_order
        ]
        taps = dict(zip(('cam', 'aux_cam'), zip(*pairs, strict=True), strict=False))
        at_input = set(taps) if cfg.cam_fuse_at == 'input' else set()
        if 'pseudo' in cfg.outputs:
            at_input.add('cam')
        fused = {
            name: self.fuse(
                taps[name],
                labels,
                tuple(images.shape[-2:]),
                cfg.cam_pair,
                cfg.cam_normalise,
            )
            for name in at_input
        }
        if 'class_maps' in cfg.outputs:
            for sample in samples:
                sample.set_field({}, 'class_maps')
            for stride in cfg.map_strides:
                grids = [strided_size(size, stride) for size in sizes]
                maps = self._maps_at(
                    taps['cam'],
                    fused.get('cam'),
                    labels,
                    grids,
                    cfg,
                    cfg.cam_multiple if stride == 1 else 1,
                )
                for sample, one, ids in zip(samples, maps, labels.ids, strict=True):
                    sample.class_maps[stride] = ClassMaps(one[ids > 0], ids[ids > 0])
        for name in set(cfg.outputs) & set(taps):
            maps = self._maps_at(
                taps[name], fused.get(name), labels, sizes, cfg, cfg.cam_multiple
            )
            for i, (sample, one) in enumerate(zip(samples, maps, strict=True)):
                score, label = strongest_class(one[None], labels.ids[i : i + 1])
                sample.set_field(PixelData(score=score, label=label), f'pred_{name}')
        if 'pseudo' in cfg.outputs:
            label = self.predicted_label(
                images, passes[1.0][0], fused['cam'], labels, cfg
            )
            for one, sample, size in zip(label, samples, sizes, strict=True):
                full = F.interpolate(one[None, None].float(), size, mode='nearest')
                sample.set_field(PixelData(data=full[0].long()), 'pred_pseudo')

    def _maps_at(
        self,
        raw: Sequence[tuple[Tensor, Tensor]],
        fused: Tensor | None,
        labels: ImageLabels,
        sizes: Sequence[tuple[int, int]],
        cfg: InferenceCfg,
        multiple: int = 1,
    ) -> list[Tensor]:
        """CAM (K, h, w) of each image at its own size, fused there or before."""
        if cfg.cam_fuse_at == 'input':
            return [resize(fused[i : i + 1], size)[0] for i, size in enumerate(sizes)]
        maps = []
        for i, size in enumerate(sizes):
            one = slice(i, i + 1)
            views = [(plain[one], mirrored[one]) for plain, mirrored in raw]
            maps.append(
                self.fuse(
                    views,
                    labels.select(one),
                    size,
                    cfg.cam_pair,
                    cfg.cam_normalise,
                    multiple,
                )[0]
            )
        return maps

    def predicted_label(
        self,
        images: Tensor,
        features: Features,
        cam: Tensor,
        labels: ImageLabels,
        cfg: InferenceCfg,
    ) -> Tensor:
        """The output ``pseudo`` (B, H, W): the refined label of the final CAM.

        Args:
            images: (B, 3, H, W), normalised.
            features: of these images at scale 1.
            cam: (B, K, H, W) compact fused CAM.
            labels: its classes.
            cfg: the settings of this prediction.
        """
        return self.pseudo_label(
            images, cam, labels, low_thr=cfg.low_thr, high_thr=cfg.high_thr
        )
