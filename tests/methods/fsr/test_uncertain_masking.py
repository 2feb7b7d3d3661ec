# Licensed under Apache-2.0.
"""Which blocks of an image are masked."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.methods.fsr import uncertain_masking as masking_module
from mmwsss.methods.fsr.block_masks import (
    block_grid,
    blocks_to_tokens,
    choose_blocks,
    masked_count,
    masked_tokens,
    take_tokens,
    uncertain_blocks,
)
from mmwsss.methods.fsr.uncertain_masking import UncertainMasking


def test_both_thresholds_are_strict() -> None:
    score = torch.tensor([[[0.2, 0.21], [0.69, 0.7]]])
    found = uncertain_blocks(score, 0.2, 0.7, (2, 2))
    assert found.tolist() == [[[False, True], [True, False]]]


@pytest.mark.parametrize(
    'reduce,expected',
    [('nearest', [[True, False]]), ('mean', [[False, True]]), ('max', [[True, True]])],
)
def test_reductions(reduce: str, expected: list) -> None:
    """Left block: its corner alone is uncertain. Right one: all but its corner."""
    score = torch.zeros(1, 4, 8)
    score[0, 0, 0] = 0.5
    score[0, :, 4:] = 0.5
    score[0, 0, 4] = 0.0
    assert uncertain_blocks(score, 0.2, 0.7, (1, 2), reduce)[0].tolist() == expected


def test_bilinear_reads_four_pixels() -> None:
    score = torch.zeros(1, 8, 8)
    score[0, 3, 3] = 0.5  # one of the four around the middle
    assert uncertain_blocks(score, 0.2, 0.7, (1, 1), 'bilinear').item()
    score[0, 3, 3], score[0, 0, 0] = 0.0, 0.5
    assert not uncertain_blocks(score, 0.2, 0.7, (1, 1), 'bilinear').item()


def test_sizes_that_do_not_divide() -> None:
    """Block (i, j) is decided by the pixel (i h / m, j w / n), rounded down."""
    score = torch.rand(2, 37, 45)
    found = uncertain_blocks(score, 0.3, 0.6, (7, 5))
    for i in range(7):
        for j in range(5):
            pixel = score[:, i * 37 // 7, j * 45 // 5]
            assert torch.equal(found[:, i, j], (pixel > 0.3) & (pixel < 0.6))


def test_the_corner_is_where_pytorch_puts_it() -> None:
    """Single precision: of 93 pixels in 21 blocks, block 7 reads pixel 30, not 31."""
    score = torch.rand(1, 93, 84)
    found = uncertain_blocks(score, 0.3, 0.6, (21, 20))
    inside = ((score > 0.3) & (score < 0.6)).float()[None]
    published = torch.nn.functional.interpolate(inside, (21, 20), mode='nearest')
    assert torch.equal(found, published[0].bool())
    rows = torch.arange(93.0)[None, None]
    assert torch.nn.functional.interpolate(rows, 21, mode='nearest')[0, 0, 7] == 30


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    rows=st.integers(1, 7),
    cols=st.integers(1, 7),
    ratio=st.floats(0, 1),
)
def test_uncertain_blocks_come_first(seed, rows, cols, ratio) -> None:
    """Always the same number; a certain block only where no uncertain one is left."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(3, rows, cols, generator=generator)
    uncertain = torch.rand(3, rows, cols, generator=generator) < 0.4
    count = masked_count(rows * cols, ratio)
    mask = choose_blocks(noise, count, uncertain)
    assert mask.flatten(1).sum(1).tolist() == [count] * 3
    for one, sure in zip(mask, ~uncertain, strict=True):
        assert not (one & sure).any() or not (~one & ~sure).any()
    tokens = blocks_to_tokens(mask, 2)
    assert tokens.shape == (3, 2 * rows, 2 * cols)
    values = torch.arange(tokens[0].numel()).expand(3, -1)[..., None]
    index = masked_tokens(tokens, 4 * count)
    taken = take_tokens(values, index)[..., 0].sort(1).values
    for row, one in zip(taken, tokens, strict=True):
        assert row.tolist() == one.flatten().nonzero().flatten().tolist()


def test_rounding() -> None:
    assert masked_count(49, 0.4) == 20 and masked_count(784, 0.4, 'floor') == 313
    assert masked_count(49, 0.0) == 0 and masked_count(49, 1.0) == 49


def test_strict_masks_the_uncertain_blocks_alone() -> None:
    score = torch.zeros(2, 32, 32)
    score[0, :16, :16] = 0.5
    masking = UncertainMasking(16, 0.4, 0.2, 0.7, 'strict')
    mask = masking(torch.zeros(2, 3, 32, 32), 8, 0, score)
    assert mask.tokens.sum((1, 2)).tolist() == [4, 0]
    assert torch.equal(mask.weight, mask.tokens.flatten(1))
    assert torch.equal(mask.index, torch.arange(16).expand(2, -1))


def test_strategy_by_iteration() -> None:
    masking = UncertainMasking(16, 0.25, 0.2, 0.7, [(0, 'random'), (5, 'uncertain')])
    assert [masking.guided(i) for i in (0, 4, 5)] == [False, False, True]
    image, score = torch.zeros(1, 3, 32, 32), torch.zeros(1, 4, 4)
    score[0, 2, 0] = 0.5  # block (1, 0)
    mask = masking(image, 8, 5, score)
    assert mask.tokens[0].nonzero().tolist() == [[2, 0], [2, 1], [3, 0], [3, 1]]
    seen = {int(masking(image, 8, 0).index.min()) for _ in range(40)}
    assert len(seen) == 4  # each of the blocks comes up


@pytest.mark.parametrize('noise,drawn_on', [('device', 'meta'), ('cpu', 'cpu')])
def test_generator_of_the_noise(noise: str, drawn_on: str, monkeypatch) -> None:
    """By default the images' device draws; the mask lies there either way."""
    seen, draw = [], masking_module.draw_noise
    monkeypatch.setattr(
        masking_module,
        'draw_noise',
        lambda batch, blocks, device: (
            seen.append(device.type),
            draw(batch, blocks, device),
        )[1],
    )
    masking = UncertainMasking(16, 0.25, 0.2, 0.7, 'random', noise=noise)
    mask = masking(torch.zeros(2, 3, 32, 32, device='meta'), 8, 0)
    assert seen == [drawn_on] and mask.tokens.device.type == 'meta'


@pytest.mark.parametrize(
    'call,message',
    [
        (lambda: block_grid((448, 448), 60, 16), 'block_size=60 must be a multiple'),
        (lambda: block_grid((448, 440), 64, 16), r'image size \(448, 440\)'),
        (lambda: masked_count(49, -0.1), 'got -0.1'),
        (lambda: masked_count(49, 0.4, 'up'), "got 'up'"),
        (
            lambda: uncertain_blocks(torch.zeros(1, 4, 4), 0.7, 0.2, (2, 2)),
            'low_thr=0.7',
        ),
        (
            lambda: uncertain_blocks(torch.zeros(1, 4, 4), 0.2, 0.7, (2, 2), 'median'),
            "got 'median'",
        ),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
