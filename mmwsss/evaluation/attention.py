# Licensed under Apache-2.0.
"""What attention looks at: how broadly, and where the class token does."""

from __future__ import annotations

import torch
from torch import Tensor


def attention_weights(queries: Tensor, keys: Tensor, scale: float) -> Tensor:
    """Attention of every token to every other.

    Args:
        queries, keys: (B, heads, N, D).
        scale: factor of the products, usually D ** -0.5.

    Returns:
        (B, heads, N, N) float32, each row sums to 1.
    """
    products = queries.float() @ keys.float().transpose(-2, -1)
    return (products * scale).softmax(-1)


def attention_entropy(attention: Tensor) -> Tensor:
    """How broadly a head looks: mean entropy of its tokens' attention, in nats.

    0: each token looks at one token; log N: at all alike. (FSR, Figure 6, after
    Attanasio et al. 2022.)

    Args:
        attention: (B, heads, N, N), each row sums to 1.

    Returns:
        (B, heads) in [0, log N].
    """
    # p log p is 0 at p = 0, where log alone is not finite
    return torch.special.entr(attention).sum(-1).mean(-1)


def class_token_attention(attention: Tensor, num_extra: int) -> Tensor:
    """What the class token looks at among the patches (ToCo, Figure 7).

    Args:
        attention: (B, heads, N, N), the class token first.
        num_extra: tokens before the patches, the class token among them.

    Returns:
        (B, N - num_extra), the mean over the heads; sums to 1 at most.

    Raises:
        ValueError: if there is no class token.
    """
    if num_extra < 1:
        raise ValueError('this network has no class token to look from')
    return attention[:, :, 0, num_extra:].mean(1)
