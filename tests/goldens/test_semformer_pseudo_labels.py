# Licensed under Apache-2.0.
"""Seeds, pseudo masks and their dense CRF against the reference (SemFormer)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.labelers.refiners.crf_refiner import DenseCRF
from mmwsss.labelers.seeds import affinity_seeds, hard_slots, refined_slots
from mmwsss.ops import DENSE_CRF_PRESETS, dense_crf, dense_crf_labels, unary_from_prob

SHARE = 0.01  # of the pixels that may have another label


def crf(iter_max: int) -> DenseCRF:
    return DenseCRF(preset='irn', unary='labels', iter_max=iter_max)


def same_labels(ours: torch.Tensor, theirs: np.ndarray, limit: float = SHARE) -> None:
    assert ours.shape[-2:] == theirs.shape
    share = (ours.squeeze().numpy() != theirs).mean()
    assert share <= limit, float(share)


@pytest.fixture
def case(golden):
    return golden('semformer_pseudo_labels')


@pytest.fixture
def image(case):
    return torch.from_numpy(case['image']).permute(2, 0, 1)[None].float()


def to_ids(case, slots: torch.Tensor) -> torch.Tensor:
    table = np.full(256, 255)
    table[: len(case['keys'])] = case['keys']
    return torch.from_numpy(table[slots.numpy()])


def test_arg_max(case):
    cam = torch.from_numpy(case['hr_cam'])[None]
    for name, threshold in zip(('fg', 'bg'), case['seed_thresholds'].tolist()):
        slots = hard_slots(cam, threshold)[0]
        np.testing.assert_array_equal(slots, case[f'seed_{name}_argmax'])


@pytest.mark.parametrize('name', ['seed', 'seed2'])
def test_seeds(case, image, name):
    cam = torch.from_numpy(case['hr_cam'])[None]
    thresholds = dict(zip(('fg', 'bg'), case[f'{name}_thresholds'].tolist()))
    for kind, threshold in thresholds.items():
        slots = refined_slots(image, cam, threshold, crf(10))
        same_labels(slots, case[f'{name}_{kind}_crf'])
    seeds = affinity_seeds(image, cam, crf(10), thresholds['fg'], thresholds['bg'])
    same_labels(to_ids(case, seeds), case[f'{name}_label'])


@pytest.mark.parametrize('iterations', [0, 1, 3])
def test_pseudo_masks(case, image, iterations):
    """Without an iteration the labels stay what they were: no pixel may differ."""
    walked = torch.from_numpy(case['rw'])[None]
    slots = refined_slots(
        image, walked, float(case['pseudo_threshold']), crf(iterations)
    )
    same_labels(
        to_ids(case, slots), case[f'pseudo_crf{iterations}'], SHARE if iterations else 0
    )


@pytest.mark.parametrize('iterations', [1, 10])
def test_hard_labels(case, image, iterations):
    label = torch.from_numpy(case['crf_in'])[None].long()
    settings = dict(DENSE_CRF_PRESETS['irn'], iter_max=iterations)
    count = max(len(case['keys']), int(label.max()) + 1)
    marginals = dense_crf_labels(image, label, count, 0.7, **settings)
    same_labels(marginals.argmax(1), case[f'crf_out_t{iterations}'])


def test_probabilities(case, image):
    unary = unary_from_prob(torch.from_numpy(case['crf_soft_in'])[None])
    marginals = dense_crf(image, unary, **DENSE_CRF_PRESETS['psa'])[0]
    theirs = case['crf_soft_out_t10']
    assert (marginals.argmax(0).numpy() != theirs.argmax(0)).mean() <= SHARE
    np.testing.assert_allclose(marginals, theirs, rtol=0, atol=1e-4)
