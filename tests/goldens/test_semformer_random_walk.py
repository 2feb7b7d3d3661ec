# Licensed under Apache-2.0.
"""The random walk against published results (SemFormer)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmwsss.ops import disc_offsets, path_affinity, random_walk
from tests.goldens.semformer_model import walk_rounding

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


def enlarged(walked: torch.Tensor, size: list[int]) -> torch.Tensor:
    """(K, h, w) times 4, cut to (H, W), the strongest pixel 1."""
    full = F.interpolate(walked[None], scale_factor=4, mode='bilinear')[0]
    full = full[:, : size[0], : size[1]]
    return full / full.max()


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
    relative error of its column sums, to 6e-5 after eight (against float64) and more
    for other edges. What the stored matrix errs is taken off the stored walk."""
    edge, cams = (torch.from_numpy(case[name]) for name in ('edge', 'cams'))
    walked = random_walk(cams[None], edge, *case['params'].tolist())[0]
    rounded, exact = walk_rounding(case)
    np.testing.assert_allclose(
        walked.numpy(), case['rw'][:, 0] + (exact - rounded), rtol=1e-4
    )
    size = case['out_hw'].tolist()
    error = enlarged(torch.from_numpy(exact), size) - enlarged(
        torch.from_numpy(rounded), size
    )
    np.testing.assert_allclose(
        enlarged(walked, size), case['rw_up'] + error.numpy(), rtol=1e-4
    )


def test_walk_without_rounding(case):
    """The same walk from the published affinity in float64, to its own error."""
    edge, cams = (torch.from_numpy(case[name]).double() for name in ('edge', 'cams'))
    walked = random_walk(cams[None], edge, *case['params'].tolist())[0].numpy()
    np.testing.assert_allclose(walked, walk_rounding(case)[1], rtol=1e-6)
