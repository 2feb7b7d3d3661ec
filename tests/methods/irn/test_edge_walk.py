# Licensed under Apache-2.0.
"""Walks of images of different sizes."""

from __future__ import annotations

import pytest
import torch

from mmwsss.methods.irn.edge_walk import (
    edge_of_pair,
    enlarge_walked,
    padded_canvas,
    walk_maps,
)
from mmwsss.ops import random_walk

SIZES = ((2, 9, 12), (1, 14, 8), (3, 14, 12), (0, 5, 6))


def data() -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.rand(*size, generator=generator) for size in SIZES]
    edges = [torch.rand(1, *size[1:], generator=generator) for size in SIZES]
    return maps, edges


def test_sizes_do_not_disturb_each_other() -> None:
    maps, edges = data()
    walked = walk_maps(maps, edges, 4, 10, 5)
    assert [tuple(one.shape) for one in walked] == list(SIZES)
    for one, edge, result in zip(maps[:3], edges, walked):
        alone = random_walk(one[None], edge[None], 4, 10, 5)[0]
        torch.testing.assert_close(result, alone, rtol=1e-5, atol=1e-8)


def test_images_without_classes() -> None:
    maps, edges = data()
    walked = walk_maps(maps[3:], edges[3:])
    assert walked[0].shape == (0, 5, 6)
    assert enlarge_walked(walked[0], (18, 21)).shape == (0, 18, 21)


def test_another_grid() -> None:
    maps, edges = data()
    with pytest.raises(ValueError, match=r'\(14, 8\); got \(2, 9, 12\).*stride'):
        walk_maps(maps[:1], edges[1:2])


def test_enlarged() -> None:
    maps, _ = data()
    full = enlarge_walked(maps[0], (33, 46))
    assert full.shape == (2, 33, 46)
    assert full.max() == 1  # of both classes together
    assert not enlarge_walked(torch.zeros(2, 3, 3), (9, 10)).any()


def test_canvas() -> None:
    images = [torch.ones(3, 4, 6), torch.ones(3, 5, 2)]
    batch = padded_canvas(images, (8, 6))
    assert batch.shape == (2, 3, 8, 6)
    assert batch.sum((1, 2, 3)).tolist() == [72, 30]
    assert batch[1, :, :5, :2].all()


def test_mirrored_edges() -> None:
    """The mirror's padding lies on the other side of the picture."""
    edge = torch.randn(1, 5, 6)
    plain, mirrored = (
        padded_canvas([e.expand(3, -1, -1)], (8, 8))[0, :1]
        for e in (edge, edge.flip(-1))
    )
    torch.testing.assert_close(edge_of_pair(plain, mirrored, (20, 23)), edge.sigmoid())
