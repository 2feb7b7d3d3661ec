# Licensed under Apache-2.0.
from __future__ import annotations

import numpy as np
import pytest

from mmwsss.evaluation.areas import ClassAreas
from mmwsss.evaluation.photo_areas import (
    mean_iou,
    paired_difference,
    read_image_classes,
    read_photo_areas,
    write_photo_areas,
)
from mmwsss.evaluation.scores import scores_from_areas

RNG = np.random.default_rng(0)


def counts(num: int, quality: float) -> np.ndarray:
    """Photos of 1,000 pixels of background and one of two classes."""
    truth = np.zeros((num, 3), int)
    truth[:, 0] = 600
    truth[np.arange(num), 1 + np.arange(num) % 2] = 400
    share = np.clip(RNG.normal(quality, 0.1, (num, 1)), 0, 1)
    correct = (truth * share).astype(int)
    missed = truth - correct
    # what a class loses another is given
    predicted = correct + np.roll(missed, 1, axis=1)
    return np.stack([correct, predicted, truth], 1)


def as_areas(array: np.ndarray) -> list[ClassAreas]:
    return [ClassAreas(*photo) for photo in array]


def test_mean_iou_is_that_of_the_scores() -> None:
    total = counts(5, 0.7).sum(0)
    expected = 100 * scores_from_areas(ClassAreas(*total)).miou
    assert mean_iou(total) == pytest.approx(expected)
    assert mean_iou(np.stack([total, total])).shape == (2,)


def test_absent_classes_do_not_count() -> None:
    total = np.array([[50, 0, 0], [60, 40, 0], [100, 0, 0]])
    assert mean_iou(total) == pytest.approx(100 * 50 / 110)


def test_a_file_is_read_as_written(tmp_path) -> None:
    seg, cam = counts(4, 0.8), counts(4, 0.6)
    file = tmp_path / 'areas.npz'
    areas = dict(seg=as_areas(seg), cam=as_areas(cam))
    write_photo_areas(['a', 'b', 'c', 'd'], areas, file)
    names, arrays = read_photo_areas(file)
    assert names == ['a', 'b', 'c', 'd'] and set(arrays) == {'seg', 'cam'}
    assert np.array_equal(arrays['seg'], seg) and np.array_equal(arrays['cam'], cam)
    with pytest.raises(ValueError, match='holds no probabilities of classes'):
        read_image_classes(file)
    classes = np.random.default_rng(0).random((4, 2, 1, 3))
    write_photo_areas(['a', 'b', 'c', 'd'], areas, file, list(classes))
    assert set(read_photo_areas(file)[1]) == {'seg', 'cam'}
    truth, probability = read_image_classes(file)
    assert np.array_equal(truth, classes[:, 0, 0])
    assert np.array_equal(probability, classes[:, 1, 0])


def test_another_file_is_refused(tmp_path) -> None:
    np.savez(tmp_path / 'other.npz', a=np.zeros(3))
    with pytest.raises(ValueError, match=r'other.npz holds no counts.*areas_file'):
        read_photo_areas(tmp_path / 'other.npz')


def test_a_run_does_not_differ_from_itself() -> None:
    same = counts(30, 0.7)
    found = paired_difference(same, same)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_clear_difference_is_beyond_zero_and_a_small_one_is_not() -> None:
    base = counts(50, 0.6)
    clear = paired_difference(counts(50, 0.8), base)
    assert 0 < clear.low < clear.value < clear.high
    back = paired_difference(base, counts(50, 0.8))
    assert back.high < 0
    noise = paired_difference(counts(50, 0.602), base)
    assert noise.low < 0 < noise.high


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of 200 pairs without a true difference about 95 % hold 0."""
    held = 0
    for seed in range(200):
        pair = counts(40, 0.7), counts(40, 0.7)
        found = paired_difference(*pair, resamples=400, seed=seed)
        held += found.low <= 0 <= found.high
    assert 0.88 <= held / 200 <= 0.99


def test_other_photos_are_refused() -> None:
    with pytest.raises(ValueError, match=r'same photos.*\(3, 3, 3\) and \(4, 3, 3\)'):
        paired_difference(counts(3, 0.5), counts(4, 0.5))


def test_in_words() -> None:
    base = counts(50, 0.6)
    said = str(paired_difference(counts(50, 0.8), base))
    value, _, interval = said.partition(' ')
    assert value.startswith('+') and interval.startswith('[+')
