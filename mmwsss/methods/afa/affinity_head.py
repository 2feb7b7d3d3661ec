# Licensed under Apache-2.0.
from __future__ import annotations

import math

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS


@in_float32
def attention_affinity(attention: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    r"""Affinity of tokens from attention logits (AFA, CVPR 2022).

    .. math::
        \mathrm{sigmoid}\Bigl(\sum_m w_m (S_m + S_m^T) + b\Bigr),
        \quad S_m = Q_m K_m^T

    over the maps m of all blocks and heads, unscaled. The weighted sum of the maps is
    one product of the joined queries and keys, so that no single map is made.

    Args:
        attention: (B, L, 2, heads, N, d) queries and keys of L blocks.
        weight: (L heads,) weights of the maps, block by block.
        bias: 0-dim or (1,).

    Returns:
        (B, N, N) float32, symmetric, in (0, 1).

    Raises:
        ValueError: if there are more or fewer weights than maps.
    """
    _, blocks, _, heads, tokens, _ = attention.shape
    check_maps(blocks, heads, weight.numel())
    query, key = attention.unbind(2)
    query = query * weight.view(blocks, heads, 1, 1)
    query, key = (t.permute(0, 3, 1, 2, 4).flatten(2) for t in (query, key))
    logits = query @ key.transpose(1, 2)
    return torch.sigmoid(logits + logits.transpose(1, 2) + bias)


def check_maps(blocks: int, heads: int, num_maps: int) -> None:
    """Raise ValueError unless blocks of so many heads give ``num_maps`` maps."""
    if num_maps != blocks * heads:
        raise ValueError(
            f'{blocks} blocks of {heads} heads give {blocks * heads} attention maps, '
            f'but the affinity head has num_maps={num_maps}'
        )


@MODELS.register_module()
class AffinityHead(BaseModule):
    """Symmetric affinity of token pairs from attention (AFA, CVPR 2022).

    Args:
        num_maps: attention maps: blocks times heads.
        init_cfg: mmengine initialisation; default: the published one (normal of
            deviation sqrt(1 / 3), PyTorch's bias).
    """

    def __init__(self, num_maps: int = 16, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.proj = nn.Conv2d(num_maps, 1, 1)
        nn.init.kaiming_normal_(self.proj.weight, a=math.sqrt(5), mode='fan_out')

    def forward(self, attention: Tensor) -> Tensor:
        """(B, N, N) affinities, see :func:`attention_affinity`."""
        return attention_affinity(attention, self.proj.weight.flatten(), self.proj.bias)
