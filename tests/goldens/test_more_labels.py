# Licensed under Apache-2.0.
"""MoRe's labels of tokens and pixels."""

from __future__ import annotations

import torch

from mmwsss.cam import (
    outside_box_to_ignore,
    strongest_class,
    three_way_label,
    threshold_label,
    token_label,
)
from tests.goldens.more_model import cases, equal, labels_of


def test_labels_of_tokens(golden) -> None:
    data = golden('more_labels')
    labels = labels_of(data['labels'])
    cam = labels.valid(labels.gather(torch.from_numpy(data['cam'])))
    names = cases(data)
    assert names
    for name in names:
        expected = data[f'{name}/tokens']
        thresholds = (float(data[f'{name}/low']), float(data[f'{name}/high']))
        grid = tuple(expected.shape[-2:])
        equal(token_label(cam, labels.ids, grid, thresholds), expected)


def test_labels_of_pixels(golden) -> None:
    data = golden('more_labels')
    labels = labels_of(data['labels'])
    cam = labels.valid(labels.gather(torch.from_numpy(data['cam'])))
    box = torch.from_numpy(data['box']).long()
    score, label = strongest_class(cam, labels.ids)
    plain = threshold_label(score, label, float(data['bkg']))
    equal(plain, data['label_bkg'])
    equal(outside_box_to_ignore(plain, box), data['label_bkg_box'])
    equal(three_way_label(score, label, 0.25, 0.7, box), data['label_mid_box'])
