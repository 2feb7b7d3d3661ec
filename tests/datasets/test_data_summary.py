# Licensed under Apache-2.0.
"""The counts at the start of a run, and the warnings."""

from __future__ import annotations

import numpy as np

from mmwsss.datasets.data_summary import count_labels, often_together, summarise

from .conftest import CLASSES
from .test_weak_seg_dataset import build


def infos(*labels, known=True):
    return [
        dict(gt_labels=items, labels_known=known, img_path=f'x/{i}.jpg')
        for i, items in enumerate(labels)
    ]


def test_counts():
    counts, pairs = count_labels([(0, 2), (0,), (), (2,)], 3)
    assert counts.tolist() == [2, 0, 2]
    assert pairs.tolist() == [[2, 0, 1], [0, 0, 0], [1, 0, 2]]
    many = [(i % 3,) for i in range(10_000)]  # more than one chunk
    assert count_labels(many, 3)[0].tolist() == [3334, 3333, 3333]


def test_what_goes_together():
    counts, pairs = (
        np.array([10, 20, 3]),
        np.array([[10, 10, 0], [10, 20, 3], [0, 3, 3]]),
    )
    # the third has too few pictures to say
    assert often_together(counts, pairs, 'abc') == (('a', 'b', 1.0),)


def test_table_and_warnings():
    found = summarise(
        [*infos((0,), (0, 1), ()), *infos((), known=False)],
        'abc',
        ['2 left'],
        look=False,
    )
    assert (found.pictures, found.empty, found.unknown) == (4, 1, 1)
    assert found.counts.tolist() == [2, 1, 0]
    assert found.headline() == (
        '4 pictures, 3 classes, 1 without an object, 1 with unknown labels'
    )
    assert found.table().splitlines()[2].split() == ['a', '2', '66.7', '%']
    assert found.table().endswith('2 left')
    (warning,) = found.warnings()
    assert "no picture of 'c'" in warning
    warnings = summarise(infos(*[(0, 1)] * 6), 'ab', look=False).warnings()
    assert len(warnings) == 1 and "every picture holds 'a', 'b'" in warnings[0]
    pairs = infos(*[(0, 1)] * 9, (1,), ())
    (warning,) = summarise(pairs, 'ab', look=False).warnings()
    assert 'a comes with b in 100 %' in warning


def test_of_a_data_set(folder):
    found = build(folder).summary()
    assert dict(zip(CLASSES[1:], found.counts)) == {'cat': 2, 'dog': 2, 'red fox': 1}
    assert set(found.sizes) == {(24, 32)}
    assert found.warnings() == []
    assert len(found.paths & build(folder, split='val', indices=3).summary().paths) == 3
