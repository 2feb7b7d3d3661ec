# Licensed under Apache-2.0.
"""Entropy of attention and the class token's view, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from mmwsss.evaluation.attention import (
    attention_entropy,
    attention_weights,
    class_token_attention,
)


def test_weights_by_hand():
    """Products 0 and 2, scaled by 0.5: softmax of (0, 1)."""
    queries = torch.tensor([[[[1.0, 0.0]]]])
    keys = torch.tensor([[[[0.0, 5.0], [2.0, 5.0]]]])
    share = math.e / (1 + math.e)
    found = attention_weights(queries, keys, 0.5)
    torch.testing.assert_close(found, torch.tensor([[[[1 - share, share]]]]))


def test_entropy_by_hand():
    """One head looks at a single token, one at both alike, one in between."""
    sure = torch.eye(2)
    even = torch.full((2, 2), 0.5)
    mixed = torch.tensor([[1.0, 0.0], [0.25, 0.75]])
    found = attention_entropy(torch.stack([sure, even, mixed])[None])
    one = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    torch.testing.assert_close(found, torch.tensor([[0.0, math.log(2), one / 2]]))


def test_the_class_token_looks_at_patches_alone():
    attention = torch.zeros(1, 2, 4, 4)
    attention[0, 0, 0] = torch.tensor([0.1, 0.1, 0.2, 0.6])  # the class token's row
    attention[0, 1, 0] = torch.tensor([0.3, 0.3, 0.4, 0.0])
    attention[0, :, 1:] = 9  # other tokens' rows say nothing of it
    found = class_token_attention(attention, 2)
    torch.testing.assert_close(found, torch.tensor([[0.3, 0.3]]))


def test_a_network_without_class_token_is_refused():
    with pytest.raises(ValueError, match='no class token'):
        class_token_attention(torch.zeros(1, 1, 3, 3), 0)
