# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor, nn


class Features(NamedTuple):
    """What an encoder hands on; every head picks its map by ``in_index``.

    Attributes:
        maps: feature maps (B, D, h, w) in the order of the backbone's ``out_indices``;
            the last one is the final map.
        cls_token: (B, D) class token, (B, K, D) for K class tokens, or ``None``.
        attention: what a method needs of the attention (maps; or queries and keys, from
            which maps are made where they are needed), batch first, else ``None``.
        extra: what else a backbone tells, batch first, by names of its own.
    """

    maps: tuple[Tensor, ...]
    cls_token: Tensor | None = None
    attention: Tensor | None = None
    extra: Mapping[str, Tensor] = MappingProxyType({})

    def select(self, index: slice) -> Features:
        """The features of some images of the batch."""
        return Features(
            tuple(tap[index] for tap in self.maps),
            None if self.cls_token is None else self.cls_token[index],
            None if self.attention is None else self.attention[index],
            {name: value[index] for name, value in self.extra.items()},
        )


def encode(backbone: nn.Module, images: Tensor) -> Features:
    """Run any backbone: ours with ``encode``, mmseg's and mmpretrain's without.

    Args:
        backbone: a module that returns a tuple of maps (B, D, h, w); one with more to
            tell (class token, attention) has a method ``encode``.
        images: (B, 3, H, W), normalised.
    """
    if hasattr(backbone, 'encode'):
        return backbone.encode(images)
    maps = backbone(images)
    return Features(tuple(maps) if isinstance(maps, (tuple, list)) else (maps,))
