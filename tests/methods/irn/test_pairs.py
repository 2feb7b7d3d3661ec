# Licensed under Apache-2.0.
"""Labels of pairs, label maps on a grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.cam import IGNORE
from mmwsss.methods.irn.pairs import (
    DIFFERENT,
    SAME_BACKGROUND,
    SAME_FOREGROUND,
    grid_label,
    pair_targets,
)
from mmwsss.ops import pair_offsets


def labels(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.tensor([0, 0, 1, 2, 7, IGNORE])
    return ids[torch.randint(len(ids), (2, 7, 11), generator=generator)]


@pytest.mark.parametrize('radius', [2, 3, 5])
def test_against_loops(radius: int) -> None:
    """Class 7 of a data set of seven classes doesn't count either."""
    label = labels()
    targets = pair_targets(label, radius, num_classes=7)
    assert targets.dtype == torch.uint8
    for b, m, i, j in np.ndindex(*targets.shape):
        y, x = pair_offsets(radius)[m]
        near = int(label[b, i, radius - 1 + j])
        far = int(label[b, i + y, radius - 1 + j + x])
        if max(near, far) >= 7:
            expected = IGNORE
        elif near != far:
            expected = DIFFERENT
        else:
            expected = SAME_FOREGROUND if near else SAME_BACKGROUND
        assert targets[b, m, i, j] == expected


def test_any_integers() -> None:
    expected = pair_targets(labels(), 3, 21)
    for dtype in (torch.uint8, torch.int32):
        assert torch.equal(pair_targets(labels().to(dtype), 3, 21), expected)


def test_small_grid() -> None:
    with pytest.raises(ValueError, match=r'radius 5 .* got \(7, 8\)'):
        pair_targets(labels()[..., :8], 5, 21)


@pytest.mark.parametrize('size', [(28, 44), (30, 41)])
def test_grid_label_is_pil_s_nearest(size: tuple[int, int]) -> None:
    label = torch.randint(256, size, generator=torch.Generator().manual_seed(1))
    picture = Image.fromarray(label.numpy().astype(np.uint8))
    small = np.asarray(picture.resize((11, 7), Image.Resampling.NEAREST))
    assert np.array_equal(grid_label(label[None], (7, 11))[0], small)
