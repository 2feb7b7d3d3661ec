# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.models.segmentors import BaseSegmentor
from torch import Tensor

from mmwsss.cam import (
    normalise_cam,
    resize,
    strided_size,
    token_transition,
    walk_over_tokens,
)
from mmwsss.registry import MODELS
from mmwsss.structures import encode

from .wrapped_segmentor import WrappedSegmentor


@MODELS.register_module()
class TokenWalk(WrappedSegmentor):
    """A network over whose tokens class maps walk: its own, or another network's.

    A classifier's map covers what it needs to name a class; its tokens know more: those
    of one object are alike. A few steps of a random walk carry the score from the part
    to the whole, with nothing to be trained. It stands where an affinity network may
    (``generate_pseudo_labels.py --refine rw --affinity CONFIG CHECKPOINT``,
    :class:`~mmwsss.labelers.random_walk_labeler.RandomWalkLabeler`) and takes the
    checkpoints of the segmentor that it wraps::

        model = dict(type='TokenWalk', segmentor=dict(type='ToCo', ...), in_index=0)

    Args:
        segmentor: config of any segmentor.
        in_index: of the backbone's maps, the one whose tokens are compared.
        power: see :func:`~mmwsss.cam.token_transition`.
        steps: of the walk, see :func:`~mmwsss.cam.walk_over_tokens`.
        stride: of the tokens, in pixels.
        data_preprocessor: handed on; a runner puts its own here.

    Raises:
        TypeError: if the model is no segmentor of mmseg.
    """

    def __init__(
        self,
        segmentor: dict,
        in_index: int = 0,
        power: float = 2.0,
        steps: int = 4,
        stride: int = 16,
        data_preprocessor: dict | None = None,
    ) -> None:
        segmentor = dict(segmentor)
        if data_preprocessor is not None:
            segmentor.setdefault('data_preprocessor', data_preprocessor)
        model = MODELS.build(segmentor)
        if not isinstance(model, BaseSegmentor):
            raise TypeError(
                f'TokenWalk needs a segmentor of mmseg, got {type(model).__name__}'
            )
        super().__init__(model)
        self.in_index, self.power, self.steps = in_index, power, steps
        self.stride = stride

    @torch.no_grad()
    def walk(
        self,
        images: Tensor | Sequence[Tensor],
        maps: Sequence[Tensor],
        power: float | None = None,
        steps: int | None = None,
    ) -> list[Tensor]:
        """Class maps, spread over the tokens that look alike.

        Args:
            images: normalised, (B, 3, H, W) or a list of (3, H, W).
            maps: (K, h, w) class maps of each image at :attr:`stride`; K may differ.
            power, steps: in the place of the configured ones.

        Returns:
            (K, H, W) for each image, each map in [0, 1].

        Raises:
            ValueError: if maps lie on another grid.
        """
        power = self.power if power is None else power
        steps = self.steps if steps is None else steps
        groups: dict[tuple[int, int], list[int]] = {}
        for i, image in enumerate(images):
            groups.setdefault(tuple(image.shape[-2:]), []).append(i)
        found = {}
        for size, members in groups.items():
            batch = torch.stack([images[i] for i in members])
            transition = token_transition(self.tokens(batch), power)
            for i, one in zip(members, transition, strict=True):
                self._check_grid(maps[i], size)
                walked = walk_over_tokens(maps[i][None], one[None], steps)
                found[i] = normalise_cam(resize(walked, size))[0]
        return [found[i] for i in range(len(images))]

    def tokens(self, images: Tensor) -> Tensor:
        """The tokens (B, D, h, w) of normalised images (B, 3, H, W).

        Images are stretched to whole strides, so that the grid is that of maps.

        Raises:
            ValueError: if the network has another stride.
        """
        grid = strided_size(tuple(images.shape[-2:]), self.stride)
        whole = (grid[0] * self.stride, grid[1] * self.stride)
        tokens = encode(self.backbone, resize(images, whole)).maps[self.in_index]
        if tuple(tokens.shape[-2:]) != grid:
            raise ValueError(
                f'the tokens of an image of {whole} lie on a grid of '
                f'{tuple(tokens.shape[-2:])}: give TokenWalk the stride of the '
                f"network's maps, got stride={self.stride}"
            )
        return tokens

    def _check_grid(self, maps: Tensor, size: tuple[int, int]) -> None:
        grid = strided_size(size, self.stride)
        if maps.dim() != 3 or tuple(maps.shape[-2:]) != grid:
            raise ValueError(
                f'class maps of an image of {size} must be (K, h, w) on the grid of '
                f'the tokens, {grid}; got {tuple(maps.shape)}. Give CAMs at stride '
                f'{self.stride}'
            )
