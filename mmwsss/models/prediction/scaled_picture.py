# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mmwsss.cam import resize_part, scaled_size

from .windows import Box


class ScaledPicture:
    """Pictures at a scale, of which parts are made as they are asked for.

    So a large picture is held once, in bytes, whatever its scales.

    Args:
        images: (B, N, h, w) of any type.
        size: (H, W) at this scale; ``None``: that of the images.
        prepare: what is done to each part (B, N, y, x) float32: to the device,
            normalised; ``None``: nothing.
        device: that of the parts; ``None``: that of the images.
    """

    def __init__(
        self,
        images: Tensor,
        size: tuple[int, int] | None = None,
        prepare: Callable[[Tensor], Tensor] | None = None,
        device: torch.device | None = None,
    ) -> None:
        height, width = images.shape[-2:]
        self.images, self.prepare = images, prepare
        self.size = (height, width) if size is None else size
        self.device = device or images.device

    @classmethod
    def of(cls, images: Tensor | ScaledPicture) -> ScaledPicture:
        """Images that are ready as they are, or a picture itself."""
        return cls(images) if isinstance(images, Tensor) else images

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(B, N, H, W)."""
        return (*self.images.shape[:2], *self.size)

    def at(self, scale: float) -> ScaledPicture:
        """The same at another scale of its size."""
        size = self.size if scale == 1.0 else scaled_size(self.size, scale)
        return ScaledPicture(self.images, size, self.prepare, self.device)

    def part(self, box: Box) -> Tensor:
        """(B, N, y1 - y0, x1 - x0) float32, as the network takes it."""
        cut = resize_part(self.images, self.size, box)
        return cut if self.prepare is None else self.prepare(cut)

    def whole(self) -> Tensor:
        """(B, N, H, W) float32, as the network takes it."""
        return self.part((0, self.size[0], 0, self.size[1]))
