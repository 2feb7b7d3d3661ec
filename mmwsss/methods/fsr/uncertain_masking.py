# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmwsss.cam import check_thresholds
from mmwsss.models.loss_schedule import StepSchedule

from .block_masks import (
    REDUCTIONS,
    block_grid,
    blocks_to_tokens,
    choose_blocks,
    masked_count,
    masked_tokens,
    uncertain_blocks,
)

STRATEGIES = ('random', 'uncertain', 'strict')
SOURCES = ('aux_cam', 'cam')
VIEWS = ('view1', 'view2')
GRIDS = ('pixels', 'tokens')
GENERATORS = ('device', 'cpu')


class TokenMask(NamedTuple):
    """Masked tokens of a batch.

    Attributes:
        tokens: (B, h, w) bool, True = masked.
        index: (B, n) positions of the n masked ones in the flattened grid; all
            positions where their number differs from image to image.
        weight: (B, n) 1 for those of ``index`` that are masked, or ``None``: all are.
    """

    tokens: Tensor
    index: Tensor
    weight: Tensor | None = None


def draw_noise(batch: int, blocks: tuple[int, int], device: torch.device) -> Tensor:
    """(B, m, n) uniform in [0, 1): one draw an iteration, nothing else."""
    return torch.rand(batch, *blocks, device=device)


class UncertainMasking:
    """Settings of the uncertain patch selection (FSR, Eq. 3 and 4), checked.

    Args:
        block_size: side in pixels of the blocks that are masked as a whole, a multiple
            of the patch size (released: 64; the paper's single patches: the patch
            size).
        ratio: share of the blocks that is masked in every image.
        low_thr, high_thr: a CAM score between them is uncertain.
        strategy: ``'random'``, ``'uncertain'`` first, or ``'strict'``: exactly the
            uncertain blocks, whatever the ratio (Table 3); or steps
            ``[(begin, strategy), …]``.
        rounding, reduce: see :func:`mmwsss.methods.fsr.block_masks.masked_count` and
            :func:`mmwsss.methods.fsr.block_masks.uncertain_blocks`.
        source: the CAM that guides: of the auxiliary head (released) or ``'cam'``.
        view: of which view (released: the one that is masked).
        scales: of that CAM; ``None``: a single pass without mirror (Eq. 2).
        grid: it is read at ``'pixels'`` (released) or on the grid of ``'tokens'``.
        noise: its generator is that of the images' ``'device'``, or of the ``'cpu'``
            (released), which draws the same on any device.

    Raises:
        ValueError: if a setting is unknown or out of range.
    """

    def __init__(
        self,
        block_size: int,
        ratio: float,
        low_thr: float,
        high_thr: float,
        strategy: Any = 'uncertain',
        rounding: str = 'ceil',
        reduce: str = 'nearest',
        source: str = 'aux_cam',
        view: str = 'view2',
        scales: Sequence[float] | None = (1.0, 0.5, 1.5),
        grid: str = 'pixels',
        noise: str = 'device',
    ) -> None:
        self.strategy = StepSchedule(strategy)
        masked_count(1, ratio, rounding)  # checks both
        check_thresholds(low_thr, high_thr)
        for name, values, known in (
            ('strategy', self.strategy.values, STRATEGIES),
            ('source', [source], SOURCES),
            ('view', [view], VIEWS),
            ('grid', [grid], GRIDS),
            ('reduce', [reduce], REDUCTIONS),
            ('noise', [noise], GENERATORS),
        ):
            if unknown := set(values) - set(known):
                raise ValueError(
                    f'train_cfg.mask.{name} must be one of {known}, got '
                    f'{sorted(unknown)}'
                )
        self.block_size, self.ratio, self.rounding = block_size, ratio, rounding
        self.thresholds, self.reduce = (low_thr, high_thr), reduce
        self.source, self.view, self.scales, self.grid = source, view, scales, grid
        self.noise = noise

    def guided(self, iteration: int) -> bool:
        """Whether a CAM is needed at an iteration."""
        return self.strategy(iteration) != 'random'

    def __call__(
        self,
        images: Tensor,
        patch_size: int,
        iteration: int,
        score: Tensor | None = None,
    ) -> TokenMask:
        """Draw the mask.

        Args:
            images: (B, 3, H, W) to be masked.
            patch_size: side of a patch.
            iteration: for the strategy.
            score: (B, h, w) CAM of the strongest class, unless masks are random.
        """
        size = tuple(images.shape[-2:])
        blocks = block_grid(size, self.block_size, patch_size)
        repeat = self.block_size // patch_size
        uncertain = None
        if self.guided(iteration):
            uncertain = uncertain_blocks(score, *self.thresholds, blocks, self.reduce)
        if self.strategy(iteration) == 'strict':
            tokens = blocks_to_tokens(uncertain, repeat)
            weight = tokens.flatten(1)
            index = torch.arange(weight.shape[1], device=images.device)
            return TokenMask(tokens, index.expand(len(images), -1), weight)
        count = masked_count(blocks[0] * blocks[1], self.ratio, self.rounding)
        where = images.device if self.noise == 'device' else torch.device('cpu')
        noise = draw_noise(len(images), blocks, where).to(
            images.device, non_blocking=True
        )
        tokens = blocks_to_tokens(choose_blocks(noise, count, uncertain), repeat)
        return TokenMask(tokens, masked_tokens(tokens, count * repeat**2))
