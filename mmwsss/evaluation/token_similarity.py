# Licensed under Apache-2.0.
from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize


def mean_token_similarity(tokens: Tensor) -> Tensor:
    """How alike the tokens of an image are: near 1, a map made of them is smeared.

    The mean cosine over all pairs of different tokens, the measure of over-smoothing in
    ToCo's Figure 2. The sum over pairs of unit vectors is the squared length of their
    sum, so no matrix of pairs is made.

    Args:
        tokens: (B, N, D) patch tokens, N >= 2.

    Returns:
        (B,) float32 in [-1 / (N - 1), 1].

    Raises:
        ValueError: if there are fewer than two tokens.
    """
    num = tokens.shape[1]
    if num < 2:
        raise ValueError(f'a pair needs two tokens, got {tuple(tokens.shape)}')
    total = normalize(tokens.float(), dim=-1).sum(1).square().sum(-1)
    return (total - num) / (num * (num - 1))
