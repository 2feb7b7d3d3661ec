# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Callable

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmwsss.registry import MODELS

POOLING: dict[str, Callable[[Tensor], Tensor]] = {
    'max': lambda maps: maps.amax(dim=(-2, -1), keepdim=True),
    'avg': lambda maps: maps.mean(dim=(-2, -1), keepdim=True),
}


@MODELS.register_module()
class CAMHead(BaseModule):
    """Image classifier whose weights, applied to the unpooled map, give the CAM.

    Pooling comes first, then a 1×1 convolution without bias (ToCo's release).

    Args:
        in_channels: D of the map.
        num_classes: foreground classes C.
        in_index: which of the backbone's maps: −1 the final one, 0 the first tap.
        pooling: ``'max'`` or ``'avg'``.
        relu: negative logits of a CAM are cut off on the token grid, before any
            resize (FSR); else after it (ToCo), by :func:`mmwsss.cam.fuse_cams`.
        background: the classifier has a channel more, the last one, for the
            background (EPS). It is part of the maps and not of the image's logits.
        dropout_ratio: of whole channels, before pooling; never in the maps.
        init_cfg: mmengine initialisation; default: PyTorch's convolution init.

    Raises:
        ValueError: if ``pooling`` is unknown.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        in_index: int = -1,
        pooling: str = 'max',
        relu: bool = False,
        background: bool = False,
        dropout_ratio: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if pooling not in POOLING:
            raise ValueError(
                f'pooling must be one of {sorted(POOLING)}, got {pooling!r}'
            )
        self.in_index = in_index
        self.relu = relu
        self.pool = POOLING[pooling]
        self.num_classes = num_classes
        self.dropout = nn.Dropout2d(dropout_ratio) if dropout_ratio else nn.Identity()
        self.classifier = nn.Conv2d(
            in_channels, num_classes + background, 1, bias=False
        )

    def source(self, maps: tuple[Tensor, ...]) -> Tensor:
        """The map (B, D, h, w) that the classifier reads."""
        return maps[self.in_index]

    def forward(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Class logits (B, C) of the pooled map."""
        pooled = self.pool(self.dropout(self.source(maps)))
        return self.classifier(pooled).flatten(1)[:, : self.num_classes]

    def dense(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, C or C + 1, h, w) with gradient, for losses on pixels."""
        logits = self.classifier(self.dropout(self.source(maps)))
        return logits.relu() if self.relu else logits

    def scores(self, dense: Tensor) -> Tensor:
        """Class logits (B, C): :meth:`dense` pooled. With ``'avg'`` as ``forward``."""
        return self.pool(dense).flatten(1)[:, : self.num_classes]

    def cam(self, maps: tuple[Tensor, ...]) -> Tensor:
        """CAM logits (B, C or C + 1, h, w), float32, without gradient."""
        weight = self.classifier.weight.detach()
        logits = nn.functional.conv2d(self.source(maps).detach(), weight).float()
        return logits.relu_() if self.relu else logits
