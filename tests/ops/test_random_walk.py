# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.ops import disc_offsets, path_affinity, python_forms, random_walk


def data(batch=2, channels=3, height=7, width=6, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    cam = torch.rand(batch, channels, height, width, generator=generator)
    edge = torch.rand(batch, 1, height, width, generator=generator)
    return cam.to(dtype), edge.to(dtype)


def reference_affinity(edge, radius):
    """(hw, hw) affinity of an (h, w) edge map, pair by pair."""
    height, width = edge.shape
    matrix = torch.zeros(height, width, height, width, dtype=edge.dtype)
    pixels = [(y, x) for y in range(height) for x in range(width)]
    for a, (y0, x0) in enumerate(pixels):
        for y1, x1 in pixels[a:]:
            dy, dx = y1 - y0, x1 - x0
            if dy * dy + dx * dx >= radius * radius:
                continue
            path = [
                edge[y, x]
                for y, x in pixels
                if y0 <= y <= y1
                and min(x0, x1) <= x <= max(x0, x1)
                and (dy * (x - x0) - dx * (y - y0)) ** 2 < dy * dy + dx * dx
            ]
            affinity = 1 - max(path) if path else torch.ones(())
            matrix[y0, x0, y1, x1] = matrix[y1, x1, y0, x0] = affinity
    return matrix.reshape(height * width, height * width)


def reference(cam, edge, radius, beta, num_squarings):
    """The walk as published: the dense matrix squared again and again."""
    walked = []
    for scores, map_ in zip(cam, edge[:, 0], strict=True):
        transition = reference_affinity(map_, radius) ** beta
        transition = transition / transition.sum(dim=0)
        for _ in range(num_squarings):
            transition = transition @ transition
        start = (scores * (1 - map_)).flatten(1)
        walked.append((start @ transition).view_as(scores))
    return torch.stack(walked)


class TestSmoke:
    def test_defaults(self):
        cam, edge = data()
        assert torch.isfinite(random_walk(cam, edge)).all()
        assert path_affinity(edge).shape[1] == 69 == len(disc_offsets(5)) // 2

    def test_leaves_the_input_alone(self):
        cam, edge = data()
        copies = cam.clone(), edge.clone()
        random_walk(cam, edge)
        assert torch.equal(cam, copies[0])
        assert torch.equal(edge, copies[1])


class TestBadInput:
    @pytest.mark.parametrize(
        ('change', 'message'),
        [
            (dict(cam=torch.rand(3, 8, 8)), r'\(B, C, H, W\)'),
            (dict(cam=torch.rand(2, 0, 8, 8)), 'empty'),
            (dict(cam=torch.full((2, 3, 8, 8), torch.nan)), 'cam holds'),
            (dict(edge=torch.rand(8, 8)), r'edge must be a \(B, C, H, W\)'),
            (dict(edge=torch.rand(1, 8, 8)), 'batch size 1'),
            (dict(edge=torch.rand(2, 2, 8, 8)), 'one channel'),
            (dict(edge=torch.rand(2, 8, 7)), 'same size'),
            (dict(edge=torch.full((2, 8, 8), torch.inf)), 'infinite'),
            (dict(edge=torch.full((2, 8, 8), 1.5)), 'sigmoid'),
            (dict(edge=torch.full((2, 8, 8), -0.1)), 'sigmoid'),
            (dict(edge=torch.ones(2, 8, 8, dtype=torch.int64)), 'int64'),
            (dict(radius=0), 'radius'),
            (dict(radius=2.5), 'radius'),
            (dict(beta=0.0), 'beta'),
            (dict(beta=float('inf')), 'beta'),
            (dict(num_squarings=-1), 'num_squarings'),
            (dict(num_squarings=1.5), 'num_squarings'),
        ],
    )
    def test_rejected(self, change, message):
        kwargs = dict(cam=torch.rand(2, 3, 8, 8), edge=torch.rand(2, 8, 8))
        with pytest.raises(ValueError, match=message):
            random_walk(**(kwargs | change))


class TestShapes:
    @pytest.mark.parametrize('size', [(1, 1), (1, 9), (9, 1), (3, 2), (12, 17)])
    def test_sizes(self, size):
        cam, edge = data(2, 4, *size)
        assert path_affinity(edge, 4).shape[0::2] == (2, size[0])
        assert random_walk(cam, edge, 4, num_squarings=2).shape == cam.shape

    def test_edge_without_channel(self):
        cam, edge = data()
        assert torch.equal(random_walk(cam, edge[:, 0]), random_walk(cam, edge))

    def test_non_contiguous(self):
        views = [t.transpose(2, 3).contiguous().transpose(2, 3) for t in data()]
        assert torch.equal(random_walk(*views), random_walk(*data()))


class TestValues:
    @pytest.mark.parametrize('radius', [1, 2, 4, 5])
    def test_dense_affinity(self, radius):
        _, edge = data(dtype=torch.float64)
        height, width = edge.shape[-2:]
        affinity = path_affinity(edge, radius)
        offsets = disc_offsets(radius)
        pairs = list(zip(offsets[::2], offsets[1::2]))
        assert len(set(pairs)) == len(pairs) == affinity.shape[1]
        for image, weights in zip(edge[:, 0], affinity):
            dense = reference_affinity(image, radius).view(*image.shape, -1)
            expected = torch.zeros_like(weights)
            for weight, (dy, dx) in zip(expected, pairs):
                for y in range(max(0, -dy), min(height, height - dy)):
                    for x in range(max(0, -dx), min(width, width - dx)):
                        weight[y, x] = dense[y, x, (y + dy) * width + x + dx]
            torch.testing.assert_close(weights, expected, atol=1e-15, rtol=0)

    @pytest.mark.parametrize(
        'settings', [(1, 10, 3), (2, 1, 0), (3, 2.5, 2), (5, 10, 8)]
    )
    def test_dense_walk(self, settings):
        cam, edge = data(dtype=torch.float64)
        torch.testing.assert_close(
            random_walk(cam, edge, *settings), reference(cam, edge, *settings)
        )

    def test_ones_stay_ones_over_256_steps(self):
        """A float32 sum of the weights would drive them off by 6e-5 here."""
        torch.manual_seed(3)
        edge = 0.9 * torch.rand(1, 1, 12, 15)
        walked = random_walk(1 / (1 - edge), edge)
        torch.testing.assert_close(walked, torch.ones_like(edge), rtol=0, atol=4e-5)

    def test_edges_enclose(self):
        cam, edge = torch.zeros(1, 1, 9, 9), torch.zeros(1, 9, 9)
        edge[:, :, 4] = 1
        cam[..., 2, 2] = 1
        walked = random_walk(cam, edge)
        assert walked[..., :4].min() > 0
        assert not walked[..., 4:].any()

    @settings(max_examples=20, deadline=None)
    @given(
        height=st.integers(1, 9),
        width=st.integers(1, 9),
        radius=st.integers(1, 6),
        seed=st.integers(0, 999),
    )
    def test_means_stay_within_the_range(self, height, width, radius, seed):
        cam, edge = data(1, 2, height, width, seed)
        start = cam * (1 - edge)
        walked = random_walk(cam, edge, radius, num_squarings=3)
        assert walked.min() >= start.min() - 1e-6
        assert walked.max() <= start.max() + 1e-6

    @pytest.mark.parametrize(
        ('dtype', 'num_squarings', 'atol'),
        [(torch.float64, 8, 1e-12), (torch.float32, 4, 5e-6)],
    )
    def test_compiled_and_python_agree(self, dtype, num_squarings, atol):
        cam, edge = data(2, 5, 19, 23, dtype=dtype)
        with python_forms():
            expected = random_walk(cam, edge, num_squarings=num_squarings)
        result = random_walk(cam, edge, num_squarings=num_squarings)
        torch.testing.assert_close(result, expected, atol=atol, rtol=0)


class TestGradient:
    def test_gradcheck(self):
        cam, edge = data(1, 2, 4, 3, dtype=torch.float64)
        inputs = cam.requires_grad_(), edge.requires_grad_()
        assert torch.autograd.gradcheck(lambda c, e: random_walk(c, e, 3, 3, 2), inputs)
        assert torch.autograd.gradcheck(lambda e: path_affinity(e, 3), inputs[1:])


class TestCompiledAndAmp:
    def test_fullgraph(self):
        cam, edge = data()
        compiled = torch.compile(random_walk, fullgraph=True, backend='aot_eager')
        torch.testing.assert_close(
            compiled(cam, edge, 3, 10, 2), random_walk(cam, edge, 3, 10, 2)
        )

    @pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
    def test_half_inputs_are_computed_in_float32(self, dtype):
        cam, edge = (tensor.to(dtype) for tensor in data())
        expected = random_walk(cam.float(), edge.float())
        with torch.autocast('cpu', dtype=torch.bfloat16):
            result = random_walk(cam, edge)
        assert result.dtype == torch.float32
        assert torch.equal(result, expected)
