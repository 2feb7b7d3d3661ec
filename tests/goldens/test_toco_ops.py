# Licensed under Apache-2.0.
"""PAR and the gated dense energy against published results (ToCo)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.ops import par

VALUE_TOL = 1e-5


def close(actual: torch.Tensor, expected: np.ndarray, tol: float = VALUE_TOL) -> None:
    """Largest deviation relative to the largest expected magnitude."""
    actual = actual.detach().numpy()
    assert actual.shape == expected.shape
    scale = float(np.abs(expected).max())
    error = float(np.abs(actual.astype(np.float64) - expected).max()) / scale
    assert error <= tol, f'relative deviation {error:.2e} > {tol:.0e}'


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def ints(array: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in array)


@pytest.mark.parametrize(
    ('image', 'masks', 'expected', 'dilations'),
    [
        ('imgs', 'masks_full', 'out_full_iter', 'dilations'),
        ('imgs', 'masks_half', 'out_half_iter', 'dilations'),
        ('imgs', 'masks_full', 'out_full_small_iter', 'dilations_small'),
        ('const_img', 'const_masks', 'const_out_iter', 'dilations'),
    ],
)
def test_par(golden, image, masks, expected, dilations):
    data = golden('toco_par')
    # The number of iterations is the end of the array's name.
    names = [n for n in data if n.removeprefix(expected).isdigit()]
    assert names, f'no array named {expected}<iterations>'
    for name in names:
        result = par(
            tensor(data[image]),
            tensor(data[masks]),
            ints(data[dilations]),
            int(name.removeprefix(expected)),
            float(data['w1']),
            float(data['w2']),
        )
        close(result, data[name])
