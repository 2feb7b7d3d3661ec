# Licensed under Apache-2.0.
"""The one-pass sweep equals thresholding with every value of the grid."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.evaluation.areas import areas_from_labels
from mmwsss.evaluation.sweep import default_thresholds, sweep_histogram

GRID = default_thresholds()


def example(seed, classes=5, size=(17, 23)):
    """Scores that lie on thresholds, just beside them and anywhere."""
    rng = np.random.RandomState(seed)
    near = rng.choice(GRID, size)
    side = rng.randint(-1, 2, size)
    near = np.where(
        side == 0, near, np.nextafter(near, np.where(side > 0, 2, -1), dtype=np.float32)
    )
    score = np.where(rng.rand(*size) < 0.7, near, rng.rand(*size)).astype(np.float32)
    truth = rng.randint(0, classes + 1, size)
    truth[truth == classes] = 255
    label = rng.randint(1, classes, size)
    return [torch.from_numpy(a) for a in (truth, score, label)]


@pytest.mark.parametrize('seed', range(4))
def test_equals_direct_thresholding(seed):
    truth, score, label = example(seed)
    sweep = sweep_histogram(truth, score, label, 5, GRID)
    for i in range(len(GRID)):
        threshold = float(np.round(0.01 * i, 2))  # what a config holds
        direct = areas_from_labels(truth, torch.where(score > threshold, label, 0), 5)
        swept = sweep.areas(i)
        for name in ('correct', 'predicted', 'truth', 'valid'):
            np.testing.assert_array_equal(
                getattr(swept, name),
                getattr(direct, name),
                err_msg=f'{name} at {threshold}',
            )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_sums_over_images(seed, classes):
    pairs = [example(seed + i, classes) for i in range(3)]
    total = sweep_histogram(*pairs[0], classes, GRID).dense()
    for pair in pairs[1:]:
        total += sweep_histogram(*pair, classes, GRID)
    whole = [torch.cat([p[i] for p in pairs]) for i in range(3)]
    once = sweep_histogram(*whole, classes, GRID).dense()
    for name in ('predicted', 'correct', 'background', 'truth'):
        np.testing.assert_array_equal(getattr(total, name), getattr(once, name))


def test_nan_and_no_class_are_background():
    truth = torch.tensor([[0, 1], [1, 0]])
    score = torch.tensor([[float('nan'), 0.9], [0.9, 0.9]])
    label = torch.tensor([[1, 1], [0, 0]])
    areas = sweep_histogram(truth, score, label, 2, GRID).areas(50)
    assert areas.predicted.tolist() == [3, 1] and areas.correct.tolist() == [2, 1]


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(score=torch.rand(3, 3)), 'differ in shape'),
        (dict(label=torch.full((2, 2), 9)), 'outside'),
        (dict(thresholds=np.float32([0.5, 0.1])), 'increase'),
    ],
)
def test_bad_input(change, message):
    good = dict(
        truth=torch.zeros(2, 2, dtype=torch.long),
        score=torch.rand(2, 2),
        label=torch.ones(2, 2, dtype=torch.long),
        num_classes=3,
        thresholds=GRID,
    )
    with pytest.raises(ValueError, match=message):
        sweep_histogram(**{**good, **change})


def test_empty_image():
    truth = torch.full((2, 2), 255)
    sweep = sweep_histogram(truth, torch.rand(2, 2), torch.ones(2, 2).long(), 3, GRID)
    assert sweep.areas(3).truth.sum() == 0
