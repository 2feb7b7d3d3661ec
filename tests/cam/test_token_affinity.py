# Licensed under Apache-2.0.
"""The walk over tokens: alike tokens share scores, others don't."""

from __future__ import annotations

import pytest
import torch

from mmwsss.cam import token_transition, walk_over_tokens


def two_regions(noise: float = 0.05) -> torch.Tensor:
    """Tokens (1, 16, 4, 6): the left three columns are of one kind, the others not."""
    generator = torch.Generator().manual_seed(0)
    kinds = torch.randn(2, 16, generator=generator)
    side = (torch.arange(6) >= 3).long().expand(4, 6)
    tokens = kinds[side].permute(2, 0, 1)[None]
    common = 5 * torch.randn(16, generator=generator)  # tokens of a ViT look alike
    spread = noise * torch.randn(1, 16, 4, 6, generator=generator)
    return tokens + spread + common[None, :, None, None]


def test_a_part_becomes_the_whole_region() -> None:
    part = torch.zeros(1, 1, 4, 6)
    part[0, 0, 1, 1] = 1
    walked = walk_over_tokens(part, token_transition(two_regions()), 4)[0, 0]
    left, right = walked[:, :3], walked[:, 3:]
    assert right.max() < 1e-3
    torch.testing.assert_close(left, torch.full((4, 3), 1 / 12), rtol=0.1, atol=0)


def test_by_hand() -> None:
    """Three tokens whose cosines are known: 0 and 1 alike, 2 opposed to both."""
    tokens = torch.tensor([[1.0, 0, 0], [1.0, 0, 0.1], [-1.0, 0, -0.1]])
    tokens = tokens.T[None, :, None, :]
    transition = token_transition(tokens, power=2)
    unit = torch.nn.functional.normalize(tokens[0, :, 0].T, dim=1)
    unit = torch.nn.functional.normalize(unit - unit.mean(0), dim=1)
    want = (unit @ unit.T).clamp_min(0) ** 2
    want /= want.sum(1, keepdim=True)
    torch.testing.assert_close(transition[0], want)
    maps = torch.tensor([1.0, 0.0, 0.5]).view(1, 1, 1, 3)
    twice = want @ (want @ torch.tensor([1.0, 0.0, 0.5]))
    torch.testing.assert_close(walk_over_tokens(maps, transition, 2).flatten(), twice)


def test_rows_are_shares_and_maps_stay_in_their_range() -> None:
    generator = torch.Generator().manual_seed(1)
    transition = token_transition(torch.randn(2, 8, 3, 5, generator=generator), 3.0)
    torch.testing.assert_close(transition.sum(2), torch.ones(2, 15))
    assert transition.min() >= 0
    maps = torch.rand(2, 4, 3, 5, generator=generator)
    walked = walk_over_tokens(maps, transition, 8)
    assert (walked.amax((2, 3)) <= maps.amax((2, 3)) + 1e-6).all()
    assert (walked.amin((2, 3)) >= maps.amin((2, 3)) - 1e-6).all()
    assert torch.equal(walk_over_tokens(maps, transition, 0), maps)


def test_a_larger_power_tells_more_apart() -> None:
    tokens = two_regions(noise=2.0)
    shares = [
        token_transition(tokens, power)[0].view(4, 6, 4, 6)[:, :3, :, 3:].sum()
        for power in (0.5, 2.0, 8.0)
    ]
    assert shares[0] > shares[1] > shares[2]


def test_tokens_that_are_all_the_same_keep_their_scores() -> None:
    maps = torch.rand(1, 2, 2, 2)
    transition = token_transition(torch.ones(1, 3, 2, 2))
    assert torch.equal(walk_over_tokens(maps, transition, 4), maps)


def test_a_batch_is_its_images_and_half_precision_is_computed_in_float32() -> None:
    tokens = torch.randn(3, 8, 4, 4)
    one_by_one = torch.cat([token_transition(t[None]) for t in tokens])
    torch.testing.assert_close(token_transition(tokens), one_by_one)
    half = token_transition(tokens.bfloat16())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, token_transition(tokens.bfloat16().float()))


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match='power must be > 0, got 0'):
        token_transition(torch.rand(1, 2, 2, 2), 0)
    with pytest.raises(ValueError, match=r'\(2, 3\) cannot walk over 4 tokens'):
        walk_over_tokens(torch.rand(1, 1, 2, 3), torch.eye(4)[None])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_the_same_on_a_gpu() -> None:
    tokens, maps = torch.randn(2, 8, 4, 5), torch.rand(2, 3, 4, 5)
    want = walk_over_tokens(maps, token_transition(tokens), 4)
    got = walk_over_tokens(maps.cuda(), token_transition(tokens.cuda()), 4)
    torch.testing.assert_close(got.cpu(), want, rtol=1e-4, atol=1e-5)
