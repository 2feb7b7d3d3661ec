# Licensed under Apache-2.0.
"""Maps of classes, and which class each channel stands for."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from .image_labels import ImageLabels

#: where a background channel may stand
BACKGROUNDS = ('none', 'first', 'last')


class ClassMaps(NamedTuple):
    """Maps of a batch of views, with a declared layout.

    Attributes:
        maps: (B, L, h, w); logits, or maps that are non-negative already.
        labels: the classes of the L channels where they are the K classes that each
            image holds; ``None``: all C classes in the order of their ids.
        background: where a channel of the background stands besides these classes:
            ``'none'``, ``'first'`` or ``'last'``.
    """

    maps: Tensor
    labels: ImageLabels | None = None
    background: str = 'none'

    def compact(self, labels: ImageLabels) -> Tensor:
        """The maps of some classes, without the background.

        Args:
            labels: of the same B images; their K classes are wanted. Maps that are
                compact already must have been made for these labels.

        Returns:
            (B, K, h, w); what unused slots hold is undefined.

        Raises:
            ValueError: if the number of channels doesn't fit the declared layout.
        """
        classes = labels.score if self.labels is None else labels.ids
        wanted = classes.shape[1] + (self.background != 'none')
        if self.maps.shape[:2] != (len(classes), wanted):
            raise ValueError(
                f'class maps {tuple(self.maps.shape)} are declared to be of '
                f'{len(classes)} images and {classes.shape[1]} classes with '
                f'background={self.background!r}: that needs ({len(classes)}, '
                f'{wanted}, h, w)'
            )
        maps = self.foreground
        return labels.gather(maps) if self.labels is None else maps

    @property
    def foreground(self) -> Tensor:
        """The maps (B, L, h, w) without the background's."""
        if self.background == 'first':
            return self.maps[:, 1:]
        return self.maps[:, :-1] if self.background == 'last' else self.maps


class StoredMaps(NamedTuple):
    """The fused CAM of one image, of the classes that it holds, as it is stored.

    Attributes:
        maps: (K, h, w) float32 in [0, 1], a tensor or an array.
        ids: (K,) int64 class ids 1..C in ascending order.
    """

    maps: Any
    ids: Any


class FusedCAMs(NamedTuple):
    """Fused, normalised CAMs (B, K, H, W) of the classes that each image holds."""

    cam: Tensor
    aux: Tensor | None
