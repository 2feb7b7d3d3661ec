# Licensed under Apache-2.0.
"""What the prediction of a picture will cost, counted before it begins."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mmwsss.models.prediction.inference_cfg import InferenceCfg, MapFusion, SegFusion
from mmwsss.models.prediction.views import step_of
from mmwsss.models.prediction.windows import window_boxes
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import unwrap

#: seconds from which a picture is cut into windows
LIMIT = 60
#: operations in a second that are counted upon: one busy core, one GPU. Fixed, so that
#: a picture is predicted in the same way wherever it is.
SPEED = dict(cpu=1e10, cuda=1e13)
#: share of the machine's memory that one map of the network may take
_MEMORY = 0.25
#: of windows where nothing says what size of pictures the network has learnt from
_WINDOW = 448


class _Encoder(nn.Module):
    """The part of a network that is counted, as a module."""

    def __init__(self, model: WeakSegmentor) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        return self.model.encode(images).maps


class LargePictures:
    """Says for a picture whether it goes through whole, or in windows.

    The decision depends on the network, the size of the picture and the kind of device
    alone. What ``test_cfg.windows`` says itself is left as it is.

    Args:
        model: in eval mode, with ``cfg`` attached (:func:`.init_model`).
        test_cfg: entries of ``test_cfg`` that are replaced.
        fewer_views: with windows that take longer than :data:`LIMIT` too, predict at
            scale 1 without mirrors.
    """

    def __init__(
        self,
        model: nn.Module,
        test_cfg: Mapping[str, Any] | None = None,
        fewer_views: bool = False,
    ) -> None:
        self.model, self.fewer_views = unwrap(model), fewer_views
        self.cfg: InferenceCfg | None = None
        if isinstance(self.model, WeakSegmentor):
            self.cfg = InferenceCfg.of(self.model.test_cfg, **(test_cfg or {}))
        self.window = window_of(model, self.model)
        self.counted: dict[tuple[int, int], tuple[float, float]] = {}
        self.known: dict[tuple[int, int], dict[str, Any]] = {}

    def overrides(self, size: tuple[int, int], name: str = '') -> dict[str, Any]:
        """Entries of ``test_cfg`` for a picture of (H, W); said once for a size.

        Args:
            size: (H, W) of the picture.
            name: of the picture, for the message.
        """
        cfg = self.cfg
        small = max(size) <= 2 * self.window
        resized = cfg is not None and (cfg.input.squash or cfg.input.long_side)
        if cfg is None or small or resized or cfg.windows.size or not _local(cfg):
            return {}
        if size not in self.known:
            self.known[size] = self._decide(cfg, size, name)
        return self.known[size]

    def _decide(
        self, cfg: InferenceCfg, size: tuple[int, int], name: str
    ) -> dict[str, Any]:
        device = next(self.model.parameters()).device
        speed = SPEED.get(device.type, SPEED['cpu'])
        whole, largest = self._cost(cfg, size, 2 * LIMIT * speed)
        too_large = largest > _MEMORY * memory_of(device)
        if whole / speed <= LIMIT and not too_large:
            return {}
        windows = InferenceCfg.of(
            dict(windows=dict(size=(self.window, self.window))),
            seg=vars(cfg.seg),
            cam=vars(cfg.cam),
            outputs=cfg.outputs,
        )
        cost = self._cost(windows, size)[0]
        if not too_large and 2 * cost > whole:
            return {}
        found: dict[str, Any] = dict(windows=dict(size=(self.window, self.window)))
        views = ''
        if self.fewer_views and cost / speed > LIMIT:
            found |= dict(cam=_once(cfg.cam), seg=_once(cfg.seg))
            cost = self._cost(InferenceCfg.of(found, outputs=cfg.outputs), size)[0]
            views = ', at scale 1 without mirrors'
        print_log(
            f'{name} {size[1]} x {size[0]} pixels: whole it would take at least '
            f'{_time(whole / speed)}'
            + (' and more memory than there is' if too_large else '')
            + f'; predicted in windows of {self.window} pixels{views}, about '
            f'{_time(cost / speed)} (test_cfg.windows)',
            'current',
        )
        return found

    def _cost(
        self, cfg: InferenceCfg, size: tuple[int, int], enough: float = math.inf
    ) -> tuple[float, float]:
        """Operations of all passes, and bytes of the largest map.

        Nothing more is counted once there are more operations than ``enough``.
        """
        total, largest = 0.0, 0.0
        for scale, mirror in cfg.passes().items():
            for pieces, piece in self._pieces(cfg, size, scale):
                if piece not in self.counted:
                    self.counted[piece] = count_encoder(self.model, piece)
                count, memory = self.counted[piece]
                total += count * pieces * (1 + mirror)
                largest = max(largest, memory * (1 + mirror))
            if total > enough:
                break
        return total, largest

    def _pieces(
        self, cfg: InferenceCfg, size: tuple[int, int], scale: float
    ) -> Iterator[tuple[int, tuple[int, int]]]:
        scaled = int(size[0] * scale), int(size[1] * scale)
        if cfg.windows.size is None:
            yield 1, scaled
            return
        step = step_of(self.model)
        boxes = window_boxes(scaled, cfg.windows.size, cfg.windows.overlap, step)
        y0, y1, x0, x1 = boxes[0]
        yield len(boxes), (y1 - y0, x1 - x0)


def count_encoder(model: WeakSegmentor, size: tuple[int, int]) -> tuple[float, float]:
    """Operations (multiplications and additions), and bytes of the largest map.

    Counted on shapes alone: nothing is computed, no memory is taken. A network that
    can't be run so is taken to be linear in the pixels.

    Args:
        model: the network.
        size: (H, W) of one picture.
    """
    state = {f'model.{k}': v.to('meta') for k, v in model.state_dict().items()}
    state |= {f'model.{k}': v.to('meta') for k, v in model.named_buffers()}
    counter, encoder = FlopCounterMode(display=False), _Encoder(model)
    largest = _Largest()
    bands = getattr(model.backbone, 'in_channels', 3)
    image = torch.empty(1, bands, *size, device='meta')
    try:
        # fused attention counts as nothing on some devices
        with sdpa_kernel(SDPBackend.MATH), torch.no_grad(), counter, largest:
            functional_call(encoder, state, image)
    except (RuntimeError, NotImplementedError, ValueError):
        weights = sum(p.numel() for p in model.backbone.parameters())
        pixels = size[0] * size[1]
        return 2.0 * weights * pixels / step_of(model) ** 2, 4.0 * 256 * pixels
    return float(counter.get_total_flops()), float(largest.bytes)


class _Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the size of the largest tensor that comes up."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.bytes = max(self.bytes, out.numel() * out.element_size())
        return out


def window_of(model: nn.Module, inner: nn.Module) -> int:
    """Side of the windows: that of the crops in training, else what the backbone says.

    Args:
        model: with ``cfg``, if it has one.
        inner: its innermost segmentor.
    """
    loader = (getattr(model, 'cfg', None) or {}).get('train_dataloader') or {}
    steps = (loader.get('dataset') or {}).get('pipeline') or ()
    crops = [step.get('crop_size') for step in steps if isinstance(step, Mapping)]
    sizes = [crop for crop in crops if crop]
    side = sizes[0] if sizes else getattr(inner.backbone, 'img_size', _WINDOW)
    side = max(side) if isinstance(side, (list, tuple)) else side
    step = step_of(inner)
    return max(int(side) // step, 1) * step


def memory_of(device: torch.device) -> float:
    """Bytes of memory that the device has."""
    if device.type == 'cuda':
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE'))


def _local(cfg: InferenceCfg) -> bool:
    """Whether no output needs the features of the whole picture."""
    return 'pseudo' not in cfg.outputs or cfg.pseudo.source == 'cam'


def _once(fusion: MapFusion | SegFusion) -> dict[str, Any]:
    return vars(fusion) | dict(scales=(1.0,), mirror=False)


def _time(seconds: float) -> str:
    return f'{seconds:.0f} s' if seconds < 120 else f'{seconds / 60:.0f} minutes'
