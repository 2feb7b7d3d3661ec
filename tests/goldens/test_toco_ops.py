# Licensed under Apache-2.0.
"""PAR and the gated dense energy against published results (ToCo)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.ops import (
    bilateral_filter,
    dense_energy,
    energy_gate,
    gated_energy,
    par,
    scale_energy_inputs,
)

VALUE_TOL = 1e-5
GRAD_TOL = 1e-4
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


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


@pytest.fixture
def energy(golden):
    return golden('toco_dense_energy')


def inputs(data: dict[str, np.ndarray]) -> tuple[torch.Tensor, ...]:
    """Image 0..255, logits (leaf), region of interest, unlabelled."""
    image = tensor(data['image_normalised'])
    image = image * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    roi = torch.zeros(len(image), *image.shape[-2:])
    for mask, (y0, y1, x0, x1) in zip(roi, data['img_box'].tolist(), strict=True):
        mask[y0:y1, x0:x1] = 1
    logits = tensor(data['logits']).requires_grad_()
    return image, logits, roi, tensor(data['label']) == 255


def test_energy_inputs(energy):
    image, logits, roi, unlabelled = inputs(energy)
    prob = logits.softmax(dim=1)
    factor = float(energy['scale_factor'])
    scaled = scale_energy_inputs(image, prob, roi, unlabelled, factor)
    close(scaled.image, energy['scaled_image'])
    close(scaled.roi, energy['scaled_roi'])
    close(scaled.prob * scaled.roi[:, None], energy['scaled_prob_times_roi'])
    assert (scaled.unlabelled.numpy() == (energy['unlabelled'] > 0)).all()
    gate = energy_gate(scaled.prob, scaled.roi, scaled.unlabelled)
    close(gate, energy['gate'])


@pytest.mark.parametrize('mode', ['lattice', 'exact'])
def test_energy_filter(energy, mode):
    result = bilateral_filter(
        tensor(energy['scaled_image']),
        tensor(energy['scaled_prob_times_roi']),
        float(energy['sigma_xy']) * float(energy['scale_factor']),
        float(energy['sigma_rgb']),
        mode,
    )
    close(result, energy[f'filtered_{mode}'])


def test_energy_of_injected_filter(energy):
    """Everything but the filter: loss and gradient from the stored map."""
    image, logits, roi, unlabelled = inputs(energy)
    scaled = scale_energy_inputs(
        image, logits.softmax(dim=1), roi, unlabelled, float(energy['scale_factor'])
    )
    masked = scaled.prob * scaled.roi[:, None]
    filtered = tensor(energy['filtered_lattice'])
    loss = gated_energy(masked, tensor(energy['gate']), filtered)
    loss = loss * float(energy['weight'])
    loss.backward()
    close(loss, energy['loss_lattice'].reshape(()))
    close(logits.grad, energy['grad_logits_lattice'], GRAD_TOL)


@pytest.mark.parametrize(
    ('mode', 'expected'),
    [('lattice', 'loss_lattice'), ('exact', 'loss_from_exact_filter')],
)
def test_energy_loss(energy, mode, expected):
    image, logits, roi, unlabelled = inputs(energy)
    loss = float(energy['weight']) * dense_energy(
        image,
        logits.softmax(dim=1),
        roi,
        unlabelled,
        float(energy['sigma_rgb']),
        float(energy['sigma_xy']),
        float(energy['scale_factor']),
        mode=mode,
    )
    close(loss, energy[expected].reshape(()))
    if mode == 'lattice':
        loss.backward()
        close(logits.grad, energy['grad_logits_lattice'], GRAD_TOL)
