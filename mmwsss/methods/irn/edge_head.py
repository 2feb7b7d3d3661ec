# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.registry import MODELS


@MODELS.register_module()
class EdgeHead(nn.Module):
    """Edge logits from the maps of several stages (IRNet, CVPR 2019, section 4.1).

    For each map a 1×1 convolution, group norm, enlargement with aligned corners, ReLU
    and a cut to the size of the ``reference`` map; all together through one more 1×1
    convolution.

    Args:
        in_channels: widths of the maps.
        channels: width of a branch.
        enlarge: factors that bring the maps to the grid of the reference.
        num_groups: of the norms.
        reference: index of the map whose grid the logits have.

    Raises:
        ValueError: if the lists disagree.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 256, 512, 1024, 2048),
        channels: int = 32,
        enlarge: Sequence[int] = (1, 1, 2, 4, 4),
        num_groups: int = 4,
        reference: int = 1,
    ) -> None:
        super().__init__()
        if len(in_channels) != len(enlarge) or not 0 <= reference < len(enlarge):
            raise ValueError(
                'EdgeHead needs one factor for each map and a reference among them, '
                f'got in_channels={tuple(in_channels)}, enlarge={tuple(enlarge)}, '
                f'reference={reference}'
            )
        self.enlarge, self.reference = tuple(enlarge), reference
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, channels, 1, bias=False),
                nn.GroupNorm(num_groups, channels),
            )
            for width in in_channels
        )
        self.fuse = nn.Conv2d(channels * len(in_channels), 1, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (B, D, h, w) of the stages → logits (B, 1, h, w) on the reference grid.

        Raises:
            ValueError: if there are too few maps, or one is too small for its factor.
        """
        if len(maps) != len(self.branches):
            raise ValueError(
                f'EdgeHead has {len(self.branches)} branches, got '
                f'{len(maps)} maps: set out_indices of the backbone'
            )
        size = tuple(maps[self.reference].shape[-2:])
        branches = [
            self._branch(*one, size)
            for one in zip(maps, self.branches, self.enlarge, strict=True)
        ]
        return self.fuse(torch.cat(branches, 1))

    @staticmethod
    def _branch(
        one: Tensor, branch: nn.Module, factor: int, size: tuple[int, int]
    ) -> Tensor:
        enlarged = branch(one)
        if factor > 1:
            enlarged = F.interpolate(
                enlarged, scale_factor=factor, mode='bilinear', align_corners=True
            )
        if enlarged.shape[-2] < size[0] or enlarged.shape[-1] < size[1]:
            raise ValueError(
                f'a map of {tuple(one.shape[-2:])} enlarged by {factor} is smaller '
                f'than {size}: correct enlarge to the strides of the backbone'
            )
        return enlarged[..., : size[0], : size[1]].relu()
