# Licensed under Apache-2.0.
"""What a network says of a batch: scores, and maps at each scale, also mirrored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.cam import resize, scaled_size, with_mirror
from mmwsss.structures import Features, ImageLabels

from ..mode import traced
from .inference_cfg import InferenceCfg
from .scaled_picture import ScaledPicture
from .windows import Box, WindowBlend, window_boxes

if TYPE_CHECKING:
    from ..segmentors.weak_segmentor import WeakSegmentor

#: pixels that go through the network at once, in windows
_AT_ONCE = dict(cpu=448 * 448, cuda=16 * 448 * 448)
#: beginnings of windows, for networks whose reduction isn't known
_STEP = 32


class Views(Protocol):
    """The passes of a network over one batch.

    Attributes:
        scores: (B, C) float32 logits of the classes of each image.
        features: of the images at scale 1; ``None`` where there are only those of
            windows.
    """

    scores: Tensor
    features: Features | None

    def maps(self, scale: float, mirrored: bool, labels: ImageLabels) -> tuple:
        """Compact class maps (B, K, h, w) for each tap, mirrored ones as they come."""

    def seg_logits(self, scale: float, mirrored: bool) -> Tensor:
        """The decoder's logits (B, C + 1, h, w), mirrored ones as they come."""


def run_model(
    model: WeakSegmentor, images: Tensor, mirror: bool
) -> tuple[Features, Features | None]:
    """Features of images (B, 3, H, W), and of their mirrors where they are wanted."""
    batch = len(images)
    both = with_mirror(images) if mirror else images
    with model.gradients_of_maps():  # also through the parts of the pass
        features = model.encode(traced(both, model.MAPS_NEED_GRAD))
        return (
            features.select(slice(batch)),
            features.select(slice(batch, None)) if mirror else None,
        )


def scaled_views(
    cfg: InferenceCfg, views: Mapping[float, Tensor]
) -> Iterator[tuple[float, bool, Tensor]]:
    """(scale, whether mirrored too, images) of all passes.

    Args:
        cfg: which passes.
        views: scale → images that come ready; scale 1 is among them.
    """
    images = views[1.0]
    for scale, mirror in cfg.passes().items():
        scaled = views.get(scale)
        if scaled is None:
            scaled = scaled_images(images, scale, cfg.input.scaling)
        yield scale, mirror, scaled


def scaled_images(images: Tensor, scale: float, scaling: str = 'sizes') -> Tensor:
    """Images (B, N, H, W) at a scale, see ``scaling`` of :class:`.InputCfg`."""
    size = scaled_size(tuple(images.shape[-2:]), scale)
    if scaling == 'factor' and min(images.shape[-2:]) * scale >= 1:
        return F.interpolate(images, scale_factor=scale, mode='bilinear')
    return resize(images, size)


class WholeViews:
    """Each distinct input is encoded once, whole; see :class:`Views`.

    Args:
        model: the network.
        cfg: which passes.
        views: scale → images (B, 3, h, w), normalised.
    """

    def __init__(
        self, model: WeakSegmentor, cfg: InferenceCfg, views: Mapping[float, Tensor]
    ) -> None:
        self.model = model
        self.passes = {
            scale: run_model(model, images, mirror)
            for scale, mirror, images in scaled_views(cfg, views)
        }
        encoded = self.passes[1.0][0]
        self.features: Features | None = encoded
        self.scores = model.image_scores(encoded).detach().float()

    def maps(self, scale: float, mirrored: bool, labels: ImageLabels) -> tuple:
        """See :class:`Views`."""
        features = self._features(scale, mirrored)
        return self.model.compact_maps(features, labels, further=True)

    def seg_logits(self, scale: float, mirrored: bool) -> Tensor:
        """See :class:`Views`."""
        return self.model.seg_logits(self._features(scale, mirrored))

    def _features(self, scale: float, mirrored: bool) -> Features:
        found = self.passes[scale][mirrored]
        assert found is not None  # mirrors are asked for where they were run
        return found


class WindowedViews:
    """Every view is encoded in overlapping windows, whose maps are blended.

    A picture holds a class as far as the window that is surest of it. See
    :class:`Views`; the maps of all classes are kept, on the network's grid.

    Args:
        model: the network.
        cfg: which passes, and the windows.
        views: scale → images (B, 3, h, w), normalised; scale 1 may be a picture whose
            parts are made as they are needed, and then is the only one.
    """

    features: Features | None = None
    scores: Tensor

    def __init__(
        self,
        model: WeakSegmentor,
        cfg: InferenceCfg,
        views: Mapping[float, Tensor | ScaledPicture],
    ) -> None:
        self.model, self.cfg = model, cfg
        self.found: dict[tuple[str, float, bool], tuple[Tensor, ...]] = {}
        first = ScaledPicture.of(views[1.0])
        for scale, mirror in cfg.passes().items():
            ready = views.get(scale)
            scaled = first.at(scale) if ready is None else ScaledPicture.of(ready)
            self._run(scale, mirror, scaled)

    def maps(self, scale: float, mirrored: bool, labels: ImageLabels) -> tuple:
        """See :class:`Views`."""
        return tuple(map(labels.gather, self.found['cam', scale, mirrored]))

    def seg_logits(self, scale: float, mirrored: bool) -> Tensor:
        """See :class:`Views`."""
        return self.found['seg', scale, mirrored][0]

    def _run(self, scale: float, mirror: bool, picture: ScaledPicture) -> None:
        boxes = self.boxes(picture.size)
        blends: dict[tuple[str, bool, int], WindowBlend] = {}
        for some in _together(boxes, picture):
            crops = torch.cat([picture.part(box) for box in some])
            passes = run_model(self.model, crops, mirror)
            if scale == 1.0:
                self._note_scores(passes[0], len(some))
            for mirrored in (False, True)[: 1 + mirror]:
                for kind, taps in self._outputs(scale, passes[mirrored]):
                    for number, tap in enumerate(taps):
                        key = (kind, mirrored, number)
                        blend = blends.setdefault(key, WindowBlend(boxes))
                        turned = tap.flip(-1) if mirrored else tap
                        for box, part in zip(some, turned.chunk(len(some))):
                            blend.add(box, part)
        for (kind, mirrored, _), blend in sorted(blends.items()):
            whole = blend.map().flip(-1) if mirrored else blend.map()
            place = (kind, scale, mirrored)
            self.found[place] = (*self.found.get(place, ()), whole)

    def boxes(self, size: tuple[int, int]) -> list[Box]:
        """The windows of a view of (H, W)."""
        windows = self.cfg.windows
        assert windows.size is not None  # else the views are whole
        return window_boxes(size, windows.size, windows.overlap, step_of(self.model))

    def _note_scores(self, features: Features | None, count: int) -> None:
        """A picture holds a class as far as the surest of its windows."""
        assert features is not None  # un-mirrored images are always run
        found = self.model.image_scores(features).detach().float()
        best = torch.stack(found.chunk(count)).amax(0)
        known = getattr(self, 'scores', None)
        self.scores = best if known is None else torch.maximum(known, best)

    def _outputs(
        self, scale: float, features: Features | None
    ) -> Iterator[tuple[str, Sequence[Tensor]]]:
        """What is wanted of some windows: maps of all classes, logits."""
        assert features is not None  # mirrors are asked for where they are made
        model, cfg = self.model, self.cfg
        if any(scale in cfg.fusion_of(name).scale_order for name in cfg.maps):
            maps = features.maps[0]
            every = ImageLabels.every_class(
                len(maps), model.num_foreground, maps.device
            )
            yield 'cam', model.compact_maps(features, every, further=True)
        if cfg.decodes_at(scale):
            yield 'seg', (model.seg_logits(features),)


def make_views(
    model: WeakSegmentor,
    cfg: InferenceCfg,
    views: Mapping[float, Tensor | ScaledPicture],
) -> Views:
    """Whole, or in windows where ``test_cfg.windows`` says so for this size."""
    if cfg.windows.wanted(tuple(views[1.0].shape[-2:])):
        return WindowedViews(model, cfg, views)
    whole = {
        scale: view if isinstance(view, Tensor) else view.whole()
        for scale, view in views.items()
    }
    return WholeViews(model, cfg, whole)


def step_of(model: WeakSegmentor) -> int:
    """Pixels at whose multiples windows may begin: the size of a patch."""
    embed = getattr(model.backbone, 'patch_embed', None)
    stride = getattr(getattr(embed, 'projection', None), 'stride', (_STEP,))
    return max(stride)


def _together(boxes: Sequence[Box], picture: ScaledPicture) -> Iterator[Sequence[Box]]:
    """Windows that go through the network at once; all have one size."""
    pixels = (boxes[0][1] - boxes[0][0]) * (boxes[0][3] - boxes[0][2])
    at_once = _AT_ONCE.get(picture.device.type, _AT_ONCE['cpu'])
    count = max(at_once // (picture.shape[0] * pixels), 1)
    for start in range(0, len(boxes), count):
        yield boxes[start : start + count]
