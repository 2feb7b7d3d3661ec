# Licensed under Apache-2.0.
"""Affinity along paths: shared maxima, training pairs."""

from __future__ import annotations

import pytest
import torch

from mmwsss.ops import disc_offsets, pair_affinity, pair_offsets, path_affinity
from mmwsss.ops.paths import _make_plan, _path


def edge_map(height=12, width=15, batch=2, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 1, height, width, generator=generator).to(dtype)


def by_gathering(edge, radius):
    """As published: the value at every pixel of every path, then the maximum."""
    height, width = edge.shape[-2:]
    rows = torch.arange(height - radius + 1)[:, None]
    columns = torch.arange(radius - 1, width - radius + 1)
    start, flat, found = rows * width + columns, edge.flatten(2), []
    for offset in pair_offsets(radius):
        index = torch.stack([start + y * width + x for y, x in _path(*offset)])
        found.append(1 - flat[..., index.flatten()].unflatten(2, index.shape).amax(2))
    return torch.cat(found, 1) if found else edge[:, :0]


class TestPlan:
    @pytest.mark.parametrize('radius', range(1, 12))
    def test_parts_cover_the_path_and_nothing_else(self, radius):
        known = {(0, 0)}
        for offset, parts in _make_plan(radius):
            covered = set()
            for of, (y, x) in parts:
                assert of in known  # made before
                part = _path(*of) if any(of) else {(0, 0)}
                covered |= {(y + i, x + j) for i, j in part}
            assert covered == _path(*offset)
            known.add(offset)
        assert known == {(0, 0), *pair_offsets(radius)}

    def test_few_parts(self):
        """What training would read pixel by pixel: 2134 views of radius 10."""
        assert sum(len(_path(*offset)) for offset in pair_offsets(10)) == 2134
        assert sum(len(parts) for _, parts in _make_plan(10)) <= 325

    @pytest.mark.parametrize(('radius', 'count'), [(1, 0), (2, 4), (5, 34), (10, 152)])
    def test_number_of_pairs(self, radius, count):
        assert len(pair_offsets(radius)) == count
        assert len(disc_offsets(radius)) == 2 * (2 * count + 1)


class TestPairs:
    @pytest.mark.parametrize('radius', [1, 2, 3, 5, 7])
    def test_against_gathering(self, radius):
        edge = edge_map(dtype=torch.float64)
        affinity = pair_affinity(edge, radius)
        size = len(pair_offsets(radius)), 13 - radius, 17 - 2 * radius
        assert affinity.shape == (2, *size)
        assert torch.equal(affinity, by_gathering(edge, radius))

    def test_it_is_the_inner_half_of_the_walk_s_affinity(self):
        edge = edge_map()
        inner = path_affinity(edge, 5)[:, :34, :8, 4:11]
        assert torch.equal(pair_affinity(edge, 5), inner)

    def test_gradients_are_those_of_gathering(self):
        ours, theirs = (edge_map(dtype=torch.float64).requires_grad_() for _ in 'ab')
        upstream = torch.rand(2, 34, 8, 7, dtype=torch.float64)
        (pair_affinity(ours, 5) * upstream).sum().backward()
        (by_gathering(theirs, 5) * upstream).sum().backward()
        torch.testing.assert_close(ours.grad, theirs.grad)

    def test_gradcheck(self):
        edge = edge_map(5, 6, 1, dtype=torch.float64).requires_grad_()
        assert torch.autograd.gradcheck(lambda e: pair_affinity(e, 3), edge)

    @pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
    def test_half_is_computed_in_float32(self, dtype):
        edge = edge_map().to(dtype)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            affinity = pair_affinity(edge, 4)
        assert affinity.dtype == torch.float32
        assert torch.equal(affinity, pair_affinity(edge.float(), 4))

    def test_fullgraph(self):
        edge = edge_map()
        compiled = torch.compile(pair_affinity, fullgraph=True, backend='aot_eager')
        assert torch.equal(compiled(edge, 4), pair_affinity(edge, 4))

    @pytest.mark.parametrize(
        ('edge', 'radius', 'message'),
        [
            (torch.rand(1, 9, 30), 10, r'radius 10 .* at least \(10, 19\)'),
            (torch.rand(1, 30, 18), 10, r'got \(30, 18\)'),
            (torch.rand(1, 12, 12), 0, 'radius'),
            (torch.rand(1, 12, 12), 1.5, 'radius'),
            (torch.rand(1, 12, 12) + 1, 3, 'sigmoid'),
            (torch.rand(1, 2, 12, 12), 3, 'one channel'),
        ],
    )
    def test_rejected(self, edge, radius, message):
        with pytest.raises(ValueError, match=message):
            pair_affinity(edge, radius)
