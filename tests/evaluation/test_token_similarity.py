# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cosine_similarity

from mmwsss.evaluation.token_similarity import mean_token_similarity


def test_is_the_mean_over_pairs() -> None:
    tokens = torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(0))
    pairs = cosine_similarity(tokens[:, :, None], tokens[:, None], dim=-1)
    off = ~torch.eye(7, dtype=torch.bool)
    expected = pairs[:, off].mean(1)
    torch.testing.assert_close(mean_token_similarity(tokens), expected)


def test_same_and_opposite_tokens() -> None:
    same = torch.ones(1, 4, 3)
    assert mean_token_similarity(same).item() == pytest.approx(1)
    two = torch.stack([same[0, 0], -same[0, 0]])[None]
    assert mean_token_similarity(two).item() == pytest.approx(-1)


def test_half_precision_is_computed_in_float32() -> None:
    tokens = torch.randn(1, 50, 8).bfloat16()
    found = mean_token_similarity(tokens)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, mean_token_similarity(tokens.float()))


def test_one_token_is_refused() -> None:
    with pytest.raises(ValueError, match=r'two tokens, got \(2, 1, 3\)'):
        mean_token_similarity(torch.ones(2, 1, 3))
