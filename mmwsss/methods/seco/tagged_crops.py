# Licensed under Apache-2.0.
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmwsss.cam import IGNORE, check_places, cut_crops, draw_corners, places_of_crops
from mmwsss.io.errors import check_choice
from mmwsss.structures import ImageLabels

from .crop_tags import TAG_WEIGHTS, UNSURE, crop_tags, image_class, tag_map
from .fixed_draw import first_draws, first_ranks, ranked_corners


class TaggedViews(NamedTuple):
    """Where an image's crops lie, and what its views and crops are tagged.

    Attributes:
        corners: (B, L, 2) int64 top-left corners (y, x).
        tags: (B, 2 + L) int64: the two global views, then the crops; 1..C, 0
            background, −1 uncertain or several.
        roi: (B, H, W) int64 what the tags were read from, see :func:`.tag_map`.
    """

    corners: Tensor
    tags: Tensor
    roi: Tensor


class TaggedCrops(nn.Module):
    """Image decomposition (SeCo): crops of uncertain regions, and class tags.

    Args:
        crop_num: L, crops of an image.
        crop_size: their side in pixels (even).
        threshold: φ: a crop with at most this share of foreground is background.
        tag_weight: what a certain pixel counts in that share: its class ``'id'``
            (released: class 20 counts 20 times) or ``'one'``.
        draw: ``'fixed'`` (released: a generator seeded with 0 for every image, so that
            places follow from the number of candidates; see
            :mod:`~mmwsss.methods.seco.fixed_draw`) or ``'free'``: drawn anew, by the
            generator of the images' device.
        single_class: what says that an image has one class, ``'cam'`` (released) or
            ``'labels'``, see :func:`.image_class`.
        empty_tag: of an image without a class, 1 (released: class 1, whatever that
            is) or −1: uncertain.

    Raises:
        ValueError: if a setting is unknown or out of range.
    """

    draws: Tensor

    def __init__(
        self,
        crop_num: int,
        crop_size: int,
        threshold: float = 0.2,
        tag_weight: str = 'id',
        draw: str = 'fixed',
        single_class: str = 'cam',
        empty_tag: int = 1,
    ) -> None:
        super().__init__()
        name = 'train_cfg.local_crops'
        check_choice(f'{name}.tag_weight', tag_weight, TAG_WEIGHTS)
        check_choice(f'{name}.draw', draw, ('fixed', 'free'))
        check_choice(f'{name}.single_class', single_class, ('cam', 'labels'))
        check_choice(f'{name}.empty_tag', empty_tag, (1, UNSURE))
        if crop_num < 1 or crop_size < 2:
            raise ValueError(
                f'{name} needs crop_num >= 1 and crop_size >= 2, got '
                f'{crop_num} and {crop_size}'
            )
        self.crop_num, self.crop_size = crop_num, crop_size
        self.threshold, self.tag_weight = threshold, tag_weight
        self.draw, self.single_class, self.empty_tag = draw, single_class, empty_tag
        self.register_buffer('draws', first_draws(crop_num), persistent=False)

    @torch.no_grad()
    def forward(
        self,
        cam: Tensor,
        labels: ImageLabels,
        thresholds: tuple[float, float],
        box: Tensor | None = None,
    ) -> TaggedViews:
        """Choose crops and tag them, and the global views.

        Args:
            cam: (B, K, H, W) compact fused CAM in [0, 1].
            labels: its classes.
            thresholds: the low and the high one.
            box: (B, 4) real pixels, or ``None``.
        """
        roi = tag_map(cam, labels.ids, *thresholds, box)
        corners = self.corners(
            places_of_crops(roi == UNSURE, self.crop_size, self.crop_num)
        )
        return TaggedViews(corners, self.tags(roi, corners, labels), roi)

    def corners(self, candidates: Tensor) -> Tensor:
        """Corners (B, L, 2) at some of the candidates (B, h, w)."""
        if self.draw == 'free':
            return draw_corners(candidates, self.crop_num)
        check_places(candidates, self.crop_num)
        ranks = first_ranks(self.draws, candidates.sum((1, 2)))
        return ranked_corners(candidates, ranks)

    def tags(self, roi: Tensor, corners: Tensor, labels: ImageLabels) -> Tensor:
        """Tags (B, 2 + L) of the global views and of the crops at some corners."""
        certain = roi.masked_fill(roi == IGNORE, 0).clamp_min(0)
        classes = image_class(certain, labels, self.single_class)
        of_views = classes.masked_fill(classes == 0, self.empty_tag)
        of_crops = crop_tags(
            roi, classes, corners, self.crop_size, self.threshold, self.tag_weight
        )
        return torch.cat([of_views[:, None].expand(-1, 2), of_crops], 1)

    def cut(self, images: Tensor, corners: Tensor) -> Tensor:
        """(L · B, 3, s, s): the crops of images (B, 3, H, W), crop number first."""
        return cut_crops(images, corners, self.crop_size).flatten(0, 1)
