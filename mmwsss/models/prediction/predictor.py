# Licensed under Apache-2.0.
"""One call predicts all that is asked for; each distinct input is encoded once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from mmengine.logging import print_log
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.cam import long_side_size, resize, scale_views
from mmwsss.io.errors import UserError
from mmwsss.labelers.labeler import Labeler
from mmwsss.structures import ImageLabels

from ..loss_terms import part_of
from .inference_cfg import InferenceCfg
from .kept_classes import kept_classes
from .map_outputs import MapOutputs, map_names
from .scaled_picture import ScaledPicture
from .seg_outputs import map_labeler, post_processor, predict_seg
from .views import Views, make_views

if TYPE_CHECKING:
    from ..segmentors.weak_segmentor import WeakSegmentor

Images: TypeAlias = Tensor | Sequence[Tensor]

#: output → the part of the model that it comes from
MAKERS = dict(
    seg='decode_head', prob='decode_head', aux_cam='aux_cam_head', pseudo='labeler'
)


def check_test_cfg(model: WeakSegmentor) -> None:
    """Refuse a ``test_cfg`` that the model contradicts, as it is built.

    One that doesn't say what it wants is asked later.

    Raises:
        ValueError: see :func:`check_settings`, and if an entry or a value is unknown.
    """
    check_settings(model, InferenceCfg.of({'outputs': (), **model.test_cfg}))


def check_settings(model: WeakSegmentor, cfg: InferenceCfg) -> None:
    """Refuse what a model can't predict.

    Args:
        model: the network, with its decoder, heads, labeler and ``averaged``.
        cfg: what to predict and how.

    Raises:
        UserError: if the model lacks the part that an output comes from.
        TypeError: if its labeler is none.
        ValueError: if the method doesn't know the source of pseudo labels or lacks what
            that needs, the labeler can't have the thresholds, or the post-processor is
            no refiner.
    """
    for output in cfg.outputs:
        part = MAKERS.get(output)
        if cfg.seg_of_maps and part == 'decode_head':
            continue
        if part is not None and getattr(model, part) is None:
            raise UserError(
                f'test_cfg.outputs asks for {output!r}, but the model has no {part}'
            )
    _check_maps(model, cfg)
    _check_pseudo(model, cfg)
    if cfg.windows.size and 'pseudo' in cfg.outputs and cfg.pseudo.source != 'cam':
        raise UserError(
            f'test_cfg.pseudo.source={cfg.pseudo.source!r} reads the features of the '
            'whole picture: set test_cfg.windows.size=None, or pseudo.source=cam'
        )
    if cfg.post_processor is not None:
        post_processor(model, cfg.post_processor)


def _check_maps(model: WeakSegmentor, cfg: InferenceCfg) -> None:
    names = map_names(model)
    unknown = sorted(cfg.maps - set(names))
    if unknown:
        raise UserError(
            f'test_cfg asks for the maps {unknown}, but {type(model).__name__} makes '
            f'{list(names)} (outputs, main_map)'
        )
    for name in sorted(cfg.maps):
        if model.FURTHER_MAPS.get(name) and cfg.fusion_of(name).normalise == 'max':
            raise UserError(
                f"test_cfg.{name}.normalise='max' divides a signed map, which stays "
                "below 0 in places: set 'minmax'"
            )
    if cfg.filter_decodes and model.decode_head is None:
        raise UserError(
            f'test_cfg.cam_filter={cfg.cam_filter!r} reads the decoder, but the model '
            "has no decode_head: set 'pred'"
        )
    if cfg.seg_of_maps and cfg.post_processor is not None:
        raise UserError(
            "a segmentation from maps (test_cfg.seg.source='maps') is refined by its "
            'labeler: set test_cfg.seg.labeler.refiner instead of '
            'test_cfg.post_processor'
        )
    if cfg.seg_of_maps:
        map_labeler(model, cfg)


def _check_pseudo(model: WeakSegmentor, cfg: InferenceCfg) -> None:
    name, sources, source = (
        type(model).__name__,
        model.PSEUDO_SOURCES,
        cfg.pseudo.source,
    )
    if source not in sources:
        raise ValueError(
            f'test_cfg.pseudo.source must be one of {tuple(sources)} for {name}, got '
            f'{source!r}'
        )
    if model.labeler is None:
        return
    if not isinstance(model.labeler, Labeler):
        raise TypeError(
            f'{type(model.labeler).__name__} is no labeler: derive it from '
            'mmwsss.labelers.labeler.Labeler and write its method decide'
        )
    try:
        model.labeler.with_thresholds(**cfg.pseudo.thresholds)
    except ValueError as error:
        given = ', '.join(f'{k}={v}' for k, v in cfg.pseudo.thresholds.items())
        raise ValueError(
            f'test_cfg.pseudo has {given} for the labeler: {error}'
        ) from error
    needs = sources[source] if isinstance(sources, Mapping) else ()
    for path in needs if 'pseudo' in cfg.outputs else ():
        if part_of(model, path) is None:
            raise ValueError(
                f'test_cfg.pseudo.source={source!r} of {name} needs a {path}, which '
                f'{type(model.labeler).__name__} has not'
            )


class Predictor:
    """Predicts with a network: segmentation, CAMs and pseudo labels.

    All scales and outputs share the passes of the backbone; only what depends on an
    image's own label size is done image by image.

    Args:
        model: the network.
        cfg: what to predict and how.

    Raises:
        ValueError: if model and settings contradict each other, see
            :func:`check_settings`.
    """

    def __init__(self, model: WeakSegmentor, cfg: InferenceCfg) -> None:
        check_settings(model, cfg)
        self.model, self.cfg = model, cfg

    @torch.no_grad()
    def __call__(
        self,
        inputs: Images | Mapping[str, Images],
        data_samples: Sequence[SegDataSample] | None = None,
    ) -> list[SegDataSample]:
        """The samples with predictions, see :meth:`.WeakSegmentor.predict`.

        Raises:
            UserError: if views come ready that ``test_cfg.input`` would resize.
        """
        return [
            sample
            for views, photos, samples in self._batches(inputs, data_samples)
            for sample in self._predict_batch(views, photos, samples)
        ]

    # ---------------------------------------------------------------- views
    def _batches(
        self,
        inputs: Images | Mapping[str, Images],
        samples: Sequence[SegDataSample] | None,
    ) -> Iterator[tuple[dict[float, Tensor], Images, list[SegDataSample]]]:
        """Batches of one size: scale → images; the photos; the samples."""
        views = scale_views(inputs)
        photos = views[1.0]
        samples = [SegDataSample() for _ in photos] if samples is None else samples
        resized = self._resized(photos)
        if resized is not None:
            self._refuse_ready(views)
            views = {1.0: resized}
        if all(isinstance(view, Tensor) for view in views.values()):
            yield views, photos, list(samples)
            return
        for i, (photo, sample) in enumerate(zip(photos, samples, strict=True)):
            yield {s: view[i][None] for s, view in views.items()}, photo[None], [sample]

    def _refuse_ready(self, views: Mapping[float, Images]) -> None:
        """Views of other scales can't be resized together with the picture.

        Raises:
            UserError: if there are any beside scale 1.
        """
        ready = [f'scale_{scale:g}' for scale in views if scale != 1.0]
        if ready:
            raise UserError(
                f'test_cfg.input={self.cfg.input} resizes the picture, but its views '
                f'{ready} come ready from the data pipeline (PILMultiScale) and would '
                'go unused: set test_cfg.input=dict(squash=None, long_side=None), or '
                'take PILMultiScale out of the test pipeline'
            )

    def _resized(self, photos: Images) -> Images | None:
        """The photos as ``test_cfg.input`` wants them; ``None``: as they are."""
        cfg = self.cfg.input
        if cfg.squash is not None:
            height, width = cfg.squash
            sizes = [(height, width)] * len(photos)
        elif cfg.long_side is not None:
            sizes = [long_side_size(tuple(p.shape[-2:]), cfg.long_side) for p in photos]
        else:
            return None
        images = [resize(one[None], size)[0] for one, size in zip(photos, sizes)]
        one_size = len({image.shape for image in images}) == 1
        return torch.stack(images) if one_size else images

    # ---------------------------------------------------------------- outputs
    def _predict_batch(
        self,
        views: Mapping[float, Tensor | ScaledPicture],
        photos: Images,
        samples: list[SegDataSample],
    ) -> list[SegDataSample]:
        cfg = self.cfg
        passes = make_views(self.model, cfg, views)
        scores = passes.scores
        for sample, score in zip(samples, scores.sigmoid(), strict=True):
            sample.set_field(score, 'pred_score')
        sizes = [
            tuple(s.metainfo.get('ori_shape', photo.shape[-2:]))[:2]
            for s, photo in zip(samples, photos, strict=True)
        ]
        if cfg.wants_seg:
            self._write_seg(passes, photos, samples, sizes)
        if cfg.wants_cams:
            labels = self._kept_classes(passes, samples)
            self._write_maps(views[1.0], photos, passes, labels, samples, sizes)
        return samples

    def _write_seg(
        self,
        passes: Views,
        photos: Images,
        samples: Sequence[SegDataSample],
        sizes: Sequence[tuple[int, int]],
    ) -> None:
        """Add what comes of the decoder to the samples."""
        predict_seg(self.model, self.cfg, passes, photos, samples, sizes)

    def _write_maps(
        self,
        images: Tensor | ScaledPicture,
        photos: Images,
        passes: Views,
        labels: ImageLabels,
        samples: Sequence[SegDataSample],
        sizes: Sequence[tuple[int, int]],
    ) -> None:
        """Add what comes of the class maps to the samples."""
        outputs = MapOutputs(self.model, self.cfg, images, passes, labels)
        outputs.write(samples, sizes, photos)

    def _kept_classes(
        self, passes: Views, samples: Sequence[SegDataSample]
    ) -> ImageLabels:
        """Whose maps are predicted, by ``test_cfg.cam_filter``."""
        scores = passes.scores
        if self.cfg.cam_filter == 'gt':
            refuse_unknown_labels(samples)
            announce_labels(self.model)
            return self.model.image_labels(samples, scores.device)
        if self.cfg.cam_filter == 'none':
            batch, num_foreground = scores.shape
            return ImageLabels.every_class(batch, num_foreground, scores.device)
        shown = None
        if self.cfg.filter_decodes:
            shown = passes.seg_logits(1.0, False).argmax(1)
        lists = kept_classes(self.cfg.cam_filter, scores, shown)
        return ImageLabels.from_lists(lists, scores.shape[1], scores.device)


def refuse_unknown_labels(samples: Sequence[SegDataSample]) -> None:
    """Image labels are read: a picture of which nobody knows them has no answer.

    Raises:
        UserError: naming such a picture.
    """
    for sample in samples:
        if not sample.get('labels_known', True):
            raise UserError(
                f"cam_filter='gt' reads image labels, and those of "
                f'{sample.get("img_path")} are unknown: label it (without an object: '
                "by the label 'background'), or predict with cam_filter='pred'"
            )


def announce_labels(model: Any) -> None:
    """Say, once for a model, that its predictions read image labels."""
    marks = model.averaged.owner.__dict__  # a teacher's network is a passing copy
    if not marks.get('_announced_labels'):
        print_log(
            "cam_filter='gt': CAMs and pseudo labels are masked by the "
            'GROUND-TRUTH image labels',
            logger='current',
        )
        marks['_announced_labels'] = True
