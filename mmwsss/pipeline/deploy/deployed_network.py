# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor, nn

from mmwsss.cam import fuse_seg_logits
from mmwsss.models.prediction.inference_cfg import InferenceCfg
from mmwsss.models.prediction.views import scaled_views
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.structures import Features, ImageLabels

#: features of the images at a scale, and of their mirrors where they are wanted
Encoded = tuple[Features, Features | None]


class DeployedNetwork(nn.Module):
    """A network of ours as a function of images alone, fit to be traced.

    Nothing in it depends on values, and nothing but shapes on the size of the batch.

    Args:
        model: the network, in evaluation mode.
        cfg: the views of decoder and class maps, and how they are fused.
        names: of the outputs, a subset of ``('prob', 'scores', 'cams')``, in the order
            in which :meth:`forward` returns them.
    """

    def __init__(
        self, model: WeakSegmentor, cfg: InferenceCfg, names: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.model, self.cfg, self.names = model, cfg, names

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Predict normalised images (B, N, H, W), float32.

        Returns:
            As named: ``prob`` (B, C + 1, H, W) softmax of the decoder, background
            first; ``scores`` (B, C) probabilities of the image's classes; ``cams``
            (B, C, H, W), of every class, normalised; all float32.
        """
        size = (images.shape[-2], images.shape[-1])
        encode = self.model.encode
        views = {
            scale: (encode(scaled), encode(scaled.flip(-1)) if mirror else None)
            for scale, mirror, scaled in scaled_views(self.cfg, {1.0: images})
        }
        return tuple(getattr(self, f'_{name}')(views, size) for name in self.names)

    def _prob(self, views: dict[float, Encoded], size: tuple[int, int]) -> Tensor:
        cfg = self.cfg.seg
        encoded = [views[float(scale)] for scale in cfg.scales]
        raw = _pairs(self.model.seg_logits, encoded, cfg.mirror)
        grid = tuple(raw[0][0].shape[-2:]) if cfg.fuse_at == 'logits' else None
        logits = fuse_seg_logits(raw, size, cfg.pair, cfg.fuse, grid)
        return logits.float().softmax(1)

    def _scores(self, views: dict[float, Encoded], size: tuple[int, int]) -> Tensor:
        return self.model.image_scores(views[1.0][0]).float().sigmoid()

    def _cams(self, views: dict[float, Encoded], size: tuple[int, int]) -> Tensor:
        cfg = self.cfg.cam
        encoded = [views[scale] for scale in cfg.scale_order]
        maps = _pairs(self._maps, encoded, cfg.mirror)
        return cfg.fuse(maps, self._every_class(views[1.0][0]), size, cfg.multiple)

    def _maps(self, features: Features) -> Tensor:
        """Class maps (B, C, h, w) of the final tap."""
        return self.model.view_maps(features, self._every_class(features))[0].foreground

    def _every_class(self, features: Features) -> ImageLabels:
        """All classes; of one image, and then repeated: no loop over a batch."""
        maps = features.maps[0]
        one = ImageLabels.every_class(1, self.model.num_foreground, maps.device)
        return ImageLabels(*(part.expand(maps.shape[0], -1) for part in one))


def _pairs(
    maps: Callable[[Features], Tensor], encoded: Iterable[Encoded], mirror: bool
) -> list[tuple[Tensor, Tensor | None]]:
    """Maps of the images and of their mirrors, for each scale."""
    return [
        (maps(plain), maps(mirrored) if mirror and mirrored is not None else None)
        for plain, mirrored in encoded
    ]
