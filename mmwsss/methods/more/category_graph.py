# Licensed under Apache-2.0.
from __future__ import annotations

from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from mmwsss.io.errors import check_choice
from mmwsss.registry import MODELS

#: how a neighbour is scored: product of two sums over the channels (released), or the
#: inner product of neighbour and gate
SCORES = ('sums', 'inner')


class Neighbours(NamedTuple):
    """The neighbours of class tokens, strongest first.

    Attributes:
        index: (B, K, k) int64, into [class tokens; patches].
        logits: (B, K, k) edge of each.
    """

    index: Tensor
    logits: Tensor


@MODELS.register_module()
class CategoryGraph(BaseModule):
    """Graph Category Representation (MoRe): class tokens rewritten by their neighbours.

    Each class token looks at all class tokens and patches and takes the k = K // 2 that
    it is nearest to; what they say is gated, weighted and merged into it. Patches get
    no gradient. It works in float32, also under autocast: which neighbours are nearest
    mustn't depend on rounding to half precision.

    Args:
        in_channels: D, of tokens and patches.
        score: weight of a neighbour, see :data:`SCORES`.
        init_cfg: of mmengine; by itself PyTorch's initial weights.

    Raises:
        ValueError: if the score is unknown.
    """

    def __init__(
        self, in_channels: int, score: str = 'sums', init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        check_choice('graph.score', score, SCORES)
        self.score = score
        self.head_proj = nn.Linear(in_channels, in_channels)
        self.tail_proj = nn.Linear(in_channels, in_channels)
        self.linear1 = nn.Linear(in_channels, in_channels)
        self.linear2 = nn.Linear(in_channels, in_channels)
        self.norm = nn.LayerNorm(in_channels)

    def forward(self, tokens: Tensor, patches: Tensor) -> Tensor:
        """Rewrite class tokens.

        Args:
            tokens: (B, K, D), K >= 2.
            patches: (B, D, h, w).

        Returns:
            (B, K, D) float32.
        """
        with torch.autocast(tokens.device.type, enabled=False):
            tokens = at_least_float32(tokens)
            nodes = at_least_float32(patches).detach().flatten(2).mT
            heads = self.head_proj(tokens)
            tails = self.tail_proj(torch.cat([tokens, nodes.to(tokens.dtype)], 1))
            return self.update(tokens, self.message(heads, tails))

    def message(self, heads: Tensor, tails: Tensor) -> Tensor:
        """(2, B, K, D) the heads, and what the neighbours say to each."""
        near = neighbours(heads, tails)
        found = gather_rows(tails, near.index)
        share = near.logits.softmax(-1)[..., None]
        own = heads[:, :, None]
        relation = (1 - share) * own + share * found
        gate = torch.tanh(own + relation)
        if self.score == 'sums':
            scores = found.sum(-1) * gate.sum(-1)
        else:
            scores = (found * gate).sum(-1)
        said = (scores.softmax(-1)[..., None] * found).sum(2)
        return torch.stack([heads, said])

    def update(self, tokens: Tensor, both: Tensor) -> Tensor:
        """(B, K, D) tokens, with heads and messages (2, B, K, D) merged into them."""
        heads, said = both
        sums = leaky_relu(self.linear1(0.1 * (heads + said) + tokens))
        products = leaky_relu(self.linear2(0.1 * heads * said + tokens))
        return self.norm(sums + products)


def neighbours(heads: Tensor, tails: Tensor) -> Neighbours:
    """The K // 2 strongest edges of each class token.

    Args:
        heads: (B, K, D).
        tails: (B, K + N, D).
    """
    edges = heads @ tails.mT * heads.shape[-1] ** -0.5
    logits, index = edges.topk(heads.shape[1] // 2, -1)
    return Neighbours(index, logits)


def gather_rows(rows: Tensor, index: Tensor) -> Tensor:
    """Rows (B, M, D) at index (B, K, k) → (B, K, k, D)."""
    flat = index.flatten(1)[..., None].expand(-1, -1, rows.shape[-1])
    return rows.gather(1, flat).unflatten(1, index.shape[1:])


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision as float32; float64 stays, so that gradients can be checked."""
    return values if values.dtype == torch.float64 else values.float()
