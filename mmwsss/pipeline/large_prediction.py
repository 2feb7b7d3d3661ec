# Licensed under Apache-2.0.
"""Which pictures are predicted without maps of their size, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmseg.structures import SegDataSample
from torch import nn

from mmwsss.cam import scaled_size
from mmwsss.models.prediction.inference_cfg import InferenceCfg
from mmwsss.models.prediction.large_predictor import LargePredictor, input_size
from mmwsss.models.prediction.old_settings import TEST_KEYS, grouped
from mmwsss.models.prediction.views import step_of
from mmwsss.models.prediction.windows import window_boxes
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import unwrap

#: bytes of the maps of all classes at a picture's size, above which none is made
MAPS_AT_MOST = 2**29


def too_large(model: nn.Module, size: tuple[int, int]) -> bool:
    """Whether the maps of all classes at a picture's size would take too much memory.

    Args:
        model: from :func:`.init_model`; only networks of ours with a decoder do without
            such maps.
        size: (H, W) of the picture.
    """
    inner = unwrap(model)
    if not isinstance(inner, WeakSegmentor) or inner.decode_head is None:
        return False
    return 4 * inner.num_classes * size[0] * size[1] > MAPS_AT_MOST


def is_stitched(
    model: nn.Module, size: tuple[int, int], overrides: Mapping[str, Any]
) -> bool:
    """Whether a picture goes through a network of ours in more than one window.

    Args:
        model: from :func:`.init_model`, with a decoder.
        size: (H, W) of the picture.
        overrides: entries of ``test_cfg`` that are replaced.
    """
    inner = unwrap(model)
    if not isinstance(inner, WeakSegmentor) or inner.decode_head is None:
        return False
    cfg = settings_of(inner, overrides)
    size = input_size(cfg.input, size)
    if cfg.windows.size is None or not cfg.windows.wanted(size):
        return False
    step = step_of(inner)
    return any(
        len(window_boxes(view, cfg.windows.size, cfg.windows.overlap, step)) > 1
        for view in (scaled_size(size, scale) for scale in cfg.passes())
    )


def predict_large(
    model: nn.Module,
    pixels: np.ndarray,
    overrides: Mapping[str, Any],
    seen: np.ndarray | None = None,
) -> SegDataSample:
    """Predict a picture tile by tile, see :class:`.LargePredictor`.

    Args:
        model: from :func:`.init_model`: a network of ours with a decoder.
        pixels: (H, W, N) uint8.
        overrides: entries of ``test_cfg`` to replace.
        seen: the picture as the network gets it, if that is smaller.

    Raises:
        UserError: if an output is asked for that a large picture hasn't.
    """
    inner = unwrap(model)
    cfg = settings_of(inner, overrides)
    network = inner.teacher_network() if cfg.use_teacher else inner
    return LargePredictor(network, cfg).predict_pixels(pixels, seen)


def settings_of(inner: WeakSegmentor, overrides: Mapping[str, Any]) -> InferenceCfg:
    """``test_cfg`` of a network, some entries replaced."""
    return InferenceCfg.of(inner.test_cfg, **grouped(overrides, TEST_KEYS, 'test_cfg'))
