# Licensed under Apache-2.0.
from __future__ import annotations

import math

import pytest
import torch

from mmwsss.evaluation.uncertainty import (
    disagreement,
    entropy_map,
    label_contradiction,
    margin_map,
    probabilities_of_maps,
)


def test_entropy_is_a_share_of_the_largest() -> None:
    prob = torch.tensor([[1.0, 0.5, 1 / 3], [0, 0.5, 1 / 3], [0, 0, 1 / 3]])[:, None]
    found = entropy_map(prob, 3)[0]
    wanted = torch.tensor([0, math.log(2) / math.log(3), 1])
    torch.testing.assert_close(found, wanted)
    # channels that aren't there have the probability 0: the same entropy
    torch.testing.assert_close(entropy_map(prob[:2, :, :2], 3)[0], wanted[:2])


def test_margin_is_that_of_the_two_first() -> None:
    prob = torch.tensor([[0.7, 0.4], [0.2, 0.4], [0.1, 0.2]])[:, None]
    torch.testing.assert_close(margin_map(prob)[0], torch.tensor([0.5, 1.0]))
    assert margin_map(torch.ones(1, 2, 2)).tolist() == [[0, 0], [0, 0]]


def test_probabilities_of_maps() -> None:
    maps = torch.tensor([[[0.0, 0.8]], [[0.0, 0.4]]])
    found = probabilities_of_maps(maps)
    wanted = torch.tensor([[1, 0.2 / 1.4], [0, 0.8 / 1.4], [0, 0.4 / 1.4]])[:, None]
    torch.testing.assert_close(found, wanted)
    # nothing is found: background, and sure of it
    assert probabilities_of_maps(torch.zeros(0, 1, 2)).tolist() == [[[1, 1]]]


def test_disagreement_is_over_the_classes_of_either() -> None:
    one = torch.tensor([[0, 0, 1, 1]])
    other = torch.tensor([[0, 0, 0, 1]])
    # background 2/3, class 1 1/2; class 2 is nowhere
    assert disagreement(one, other, 3) == pytest.approx(1 - (2 / 3 + 1 / 2) / 2)
    assert disagreement(one, one, 3) == 0
    assert disagreement(one, one * 0 + 2, 3) == 1


def test_the_class_that_is_contradicted_most() -> None:
    score = torch.tensor([0.9, 0.3, 0.05])
    assert label_contradiction(score, (1, 3)) == (pytest.approx(0.95), 3)
    assert label_contradiction(score, (1,)) == (pytest.approx(0.3), 2)
    assert label_contradiction(score, ()) == (pytest.approx(0.9), 1)
