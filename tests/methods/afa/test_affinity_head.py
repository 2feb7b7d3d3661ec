# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch

from mmwsss.methods.afa.affinity_head import AffinityHead, attention_affinity


def pairs(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Queries and keys of two blocks with three heads, five tokens."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 2, 2, 3, 5, 4, generator=generator, dtype=dtype)


@pytest.fixture
def head() -> AffinityHead:
    torch.manual_seed(0)
    return AffinityHead(num_maps=6)


def test_equals_the_convolution_over_all_maps(head) -> None:
    query, key = pairs().unbind(2)
    maps = (query @ key.transpose(-1, -2)).flatten(1, 2)  # block by block
    expected = head.proj(maps + maps.transpose(-1, -2)).sigmoid()[:, 0]
    torch.testing.assert_close(head(pairs()), expected)


def test_symmetric_probabilities(head) -> None:
    affinity = head(pairs())
    assert affinity.shape == (2, 5, 5) and affinity.dtype == torch.float32
    torch.testing.assert_close(affinity, affinity.transpose(1, 2))
    assert ((affinity > 0) & (affinity < 1)).all()


def test_published_layout_and_init() -> None:
    torch.manual_seed(0)
    state = AffinityHead(num_maps=4096).state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == {
        'proj.weight': (1, 4096, 1, 1),
        'proj.bias': (1,),
    }
    assert state['proj.weight'].std().item() == pytest.approx(3**-0.5, rel=0.05)


def test_gradcheck() -> None:
    weight = torch.randn(6, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        attention_affinity, (pairs(torch.float64).requires_grad_(), weight, bias)
    )


def test_mixed_precision(head) -> None:
    half = pairs().bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        affinity = head(half)
    assert affinity.dtype == torch.float32
    torch.testing.assert_close(affinity, head(half.float()))


def test_number_of_maps() -> None:
    with pytest.raises(ValueError, match='2 blocks of 3 heads give 6 .*num_maps=16'):
        AffinityHead()(pairs())
