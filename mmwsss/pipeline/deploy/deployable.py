# Licensed under Apache-2.0.
"""Which part of a network's prediction goes into a file, and which doesn't."""

from __future__ import annotations

from collections.abc import Iterator

from mmseg.models import EncoderDecoder
from torch import nn

from mmwsss.io.errors import UserError
from mmwsss.models.prediction.inference_cfg import InferenceCfg
from mmwsss.models.segmentors.multi_scale_encoder_decoder import (
    MultiScaleEncoderDecoder,
)
from mmwsss.models.segmentors.post_processed import MASK_CLASSIFIERS, PostProcessed
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import unwrap

from .deployed_network import DeployedNetwork
from .deployed_segmenter import DeployedSegmenter
from .pixel_rule import takes_bgr

#: of decoder and class maps: the images alone
ONE_VIEW = dict(scales=(1.0,), mirror=False)


def deployable(
    model: nn.Module, all_views: bool = False
) -> DeployedNetwork | DeployedSegmenter:
    """A network as a function of images alone.

    Args:
        model: from :func:`.init_model`; what is around a segmentor stays outside.
        all_views: with the scales and mirrors of ``test_cfg``; else the images alone.

    Raises:
        UserError: if it gives neither probabilities of pixels nor CAMs, or its
            segmentation is made of other maps.
    """
    inner = unwrap(model)
    if isinstance(inner, EncoderDecoder):
        _refuse_other_scores(inner)
        many = all_views and isinstance(inner, MultiScaleEncoderDecoder)
        return DeployedSegmenter(inner, takes_bgr(inner), many).eval()
    names = output_names(inner) if isinstance(inner, WeakSegmentor) else ()
    if not names:
        raise UserError(
            f'{type(inner).__name__} gives neither probabilities of pixels nor CAMs: '
            'export the segmenter, or the network with a CAM head'
        )
    settings = InferenceCfg.of(inner.test_cfg)
    if settings.seg.source == 'maps' or settings.main_map != 'cam':
        raise UserError(
            'a file holds the decoder and the CAM, and test_cfg has seg.source='
            f'{settings.seg.source!r} and main_map={settings.main_map!r}: export with '
            'the config of the decoder'
        )
    network = inner.teacher_network() if settings.use_teacher else inner
    return DeployedNetwork(network, _views(inner, names, all_views), names).eval()


def output_names(model: WeakSegmentor) -> tuple[str, ...]:
    """What a network of ours gives, see :class:`.DeployedNetwork`.

    Maps that are made of gradients can't be traced and are left out.
    """
    if model.decode_head is None and model.cam_head is None:
        return ()
    found = dict(
        prob=model.decode_head is not None,
        scores=True,
        cams=model.cam_head is not None and not model.MAPS_NEED_GRAD,
    )
    return tuple(name for name, there in found.items() if there)


def _views(
    model: WeakSegmentor, names: tuple[str, ...], all_views: bool
) -> InferenceCfg:
    """The settings of the traced prediction."""
    makers = dict(prob='prob', cams='class_maps')
    wanted = tuple(makers[name] for name in names if name in makers)
    views = {} if all_views else dict(seg=ONE_VIEW, cam=ONE_VIEW)
    return InferenceCfg.of(model.test_cfg, outputs=wanted, **views)


def _refuse_other_scores(model: EncoderDecoder) -> None:
    """Refuse decoders whose scores no softmax makes probabilities.

    Raises:
        UserError: naming the decoder.
    """
    name = type(model.decode_head).__name__
    if name in MASK_CLASSIFIERS or model.out_channels < 2:
        raise UserError(
            f'the scores of a {name} with {model.out_channels} channels are no logits '
            'of classes, from which a softmax makes probabilities: export a segmenter '
            'with another decoder'
        )


def left_out(
    model: nn.Module, size: tuple[int, int], all_views: bool = False
) -> Iterator[str]:
    """What ``test_cfg`` has a prediction do and a file of the network doesn't.

    Args:
        model: from :func:`.init_model`.
        size: (H, W) of the file.
        all_views: see :func:`deployable`.
    """
    inner = unwrap(model)
    if isinstance(inner, WeakSegmentor):
        yield from _left_out_of_ours(inner, size, all_views)
        return
    if isinstance(model, PostProcessed):
        yield 'the post-processor'
    if inner.test_cfg.get('mode') == 'slide':
        yield 'sliding windows (test_cfg.mode)'
    many = isinstance(inner, MultiScaleEncoderDecoder)
    if many and not all_views and (inner.test_scales != (1.0,) or inner.flip):
        yield 'scales and mirrors of test_cfg (--test-views takes them in)'


def _left_out_of_ours(
    model: WeakSegmentor, size: tuple[int, int], all_views: bool
) -> Iterator[str]:
    names = output_names(model)
    cfg = _views(model, names, True)
    if cfg.post_processor is not None:
        yield 'the post-processor'
    if cfg.windows.wanted(size):
        yield 'windows (test_cfg.windows)'
    if not all_views and cfg.passes() != {1.0: False}:
        yield 'scales and mirrors of test_cfg (--test-views takes them in)'
    if model.cam_head is not None and 'cams' not in names:
        yield 'CAMs, which are made of gradients here'
