# Licensed under Apache-2.0.
"""The random walk against published results (SemFormer)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmwsss.ops import disc_offsets, path_affinity, random_walk

CASES = ['a', 'b']


def dense(weights: torch.Tensor, radius: int) -> np.ndarray:
    """(hw, hw) matrix of (K, h, w) weights: row of the neighbour, column of
    the pixel."""
    height, width = weights.shape[-2:]
    matrix = np.zeros((height, width, height, width), np.float32)
    offsets = disc_offsets(radius)
    for weight, dy, dx in zip(weights, offsets[::2], offsets[1::2], strict=True):
        for y in range(height):
            for x in range(width):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    matrix[y + dy, x + dx, y, x] = weight[y, x]
    return matrix.reshape(height * width, height * width)


@pytest.fixture(params=CASES)
def case(golden, request):
    data = golden('semformer_random_walk')
    tag = f'_{request.param}'
    return {key.removesuffix(tag): data[key] for key in data if key.endswith(tag)}


def test_affinity(case):
    radius = int(case['params'][0])
    affinity = path_affinity(torch.from_numpy(case['edge']), radius)[0]
    np.testing.assert_allclose(
        dense(affinity, radius), case['affinity'], rtol=0, atol=1e-6
    )


def test_transition(case):
    radius, beta, _ = case['params'].tolist()
    weights = path_affinity(torch.from_numpy(case['edge']), radius)[0] ** beta
    np.testing.assert_allclose(
        dense(weights / weights.sum(dim=0), radius),
        case['transition'],
        rtol=1e-5,
        atol=1e-9,
    )


def test_walk(case):
    """The published walk squares a float32 matrix: each squaring doubles the
    relative error of its column sums, to 6e-5 after eight (against float64)."""
    edge, cams = (torch.from_numpy(case[name]) for name in ('edge', 'cams'))
    walked = random_walk(cams[None], edge, *case['params'].tolist())[0]
    np.testing.assert_allclose(walked.numpy(), case['rw'][:, 0], rtol=1e-4)
    walked = F.interpolate(walked[None], scale_factor=4, mode='bilinear')[0]
    height, width = case['out_hw'].tolist()
    walked = walked[:, :height, :width]
    np.testing.assert_allclose(
        (walked / walked.max()).numpy(), case['rw_up'], rtol=1e-4
    )


def test_walk_without_rounding(case):
    """The same walk from the published affinity in float64, to its own error."""
    edge, cams = (torch.from_numpy(case[name]).double() for name in ('edge', 'cams'))
    _, beta, num_squarings = params = case['params'].tolist()
    transition = case['affinity'].astype(np.float64) ** beta
    transition /= transition.sum(axis=0)
    steps = np.linalg.matrix_power(transition, 2**num_squarings)
    start = (cams * (1 - edge)).numpy().reshape(len(cams), -1)
    walked = random_walk(cams[None], edge, *params)[0].numpy()
    expected = (start @ steps).reshape(walked.shape)
    np.testing.assert_allclose(walked, expected, rtol=1e-6)
