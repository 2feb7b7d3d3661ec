# Licensed under Apache-2.0.
"""Parts of resized maps are what the whole would be there."""

from __future__ import annotations

import itertools

import pytest
import torch

from mmwsss.cam import (
    confidence_map,
    fuse_seg_logits,
    fuse_seg_part,
    inside_of,
    resize,
    resize_part,
    tiles_of,
)

PARTS = [(0, 7, 0, 9), (3, 20, 11, 40), (30, 31, 0, 53), (0, 31, 0, 53)]


@pytest.mark.parametrize('size', [(8, 13), (31, 53), (4, 60)])
@pytest.mark.parametrize('kind', [torch.uint8, torch.float32])
def test_a_part_of_a_resized_map(size, kind) -> None:
    maps = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8).to(kind)
    whole = resize(maps.float(), (31, 53))
    for y0, y1, x0, x1 in PARTS:
        part = resize_part(maps, (31, 53), (y0, y1, x0, x1))
        want = whole[..., y0:y1, x0:x1]
        assert part.dtype == torch.float32
        torch.testing.assert_close(part, want, rtol=1e-5, atol=1e-3)


def test_far_to_the_right_of_a_wide_map_too() -> None:
    """Places of 12,000 pixels are computed as torch does, or they differ there."""
    maps = torch.randn(1, 1, 2, 1500)
    whole = resize(maps, (2, 12000))
    part = resize_part(maps, (2, 12000), (0, 2, 11000, 12000))
    torch.testing.assert_close(part, whole[..., 11000:], rtol=0, atol=1e-4)


@pytest.mark.parametrize('pair', ['sum', 'max', 'mean'])
@pytest.mark.parametrize('fuse', ['sum', 'max'])
def test_a_part_of_fused_logits(pair, fuse) -> None:
    raw = [(torch.randn(1, 4, 6, 8), torch.randn(1, 4, 6, 8)) for _ in range(2)]
    raw.append((torch.randn(1, 4, 9, 12), None))
    whole = fuse_seg_logits(raw, (48, 64), pair, fuse)
    part = fuse_seg_part(raw, (48, 64), (5, 30, 40, 64), pair, fuse)
    torch.testing.assert_close(part, whole[..., 5:30, 40:64], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('margin', [0, 3])
def test_tiles_cover_a_picture_once(margin) -> None:
    seen = torch.zeros(20, 33)
    for tile, around in tiles_of((20, 33), 8, margin):
        y0, y1, x0, x1 = tile
        seen[y0:y1, x0:x1] += 1
        rows = torch.arange(around[0], around[1])[inside_of(tile, around)[0]]
        columns = torch.arange(around[2], around[3])[inside_of(tile, around)[1]]
        assert rows.tolist() == list(range(y0, y1))
        assert columns.tolist() == list(range(x0, x1))
        sides = itertools.pairwise(around)
        assert all(b - a <= 8 + 2 * margin for a, b in list(sides)[::2])
    assert torch.equal(seen, torch.ones(20, 33))


def test_confidence_is_the_share_of_the_likeliest() -> None:
    prob = torch.tensor([[0.2, 3.0], [0.6, 1.0], [0.2, 0.0]])[..., None]
    torch.testing.assert_close(confidence_map(prob)[:, 0], torch.tensor([0.6, 0.75]))
