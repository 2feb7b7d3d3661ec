# Licensed under Apache-2.0.
"""The benchmark of a rare class, on counts that are made up."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from mmwsss.evaluation.areas import ClassAreas
from mmwsss.evaluation.photo_areas import write_photo_areas
from mmwsss.io.data_errors import DataError
from tests.helpers.training import ROOT


@pytest.fixture
def script(load_tool) -> ModuleType:
    return load_tool(ROOT / 'benchmarks' / 'rare_class.py')


def test_scores_of_the_rare_class_and_of_the_others(script, tmp_path) -> None:
    hits = np.array([100, 80, 80, 80, 80, 80, 10])
    photo = ClassAreas(hits, np.full(7, 100), np.full(7, 100))
    truth, probability = np.zeros((2, 4, 6))
    truth[0] = 1
    probability[:, 5] = [0.1, 0.2, 0.3, 0.4]  # the right one is found last
    probability[0, :5] = 1
    classes = list(np.stack([truth, probability])[:, :, None].swapaxes(0, 1))
    file = tmp_path / 'areas.npz'
    write_photo_areas(list('abcd'), dict(cam=[photo] * 4), file, classes)
    assert script.scores(file, 'grid') == pytest.approx(
        dict(
            rare_iou=100 * 10 / 190, other_iou=100 * 80 / 120, rare_ap=25, other_ap=100
        )
    )


def test_table(script) -> None:
    run = dict(rare_iou=10.0, other_iou=50.0, rare_ap=20.0, other_ap=90.0)
    lines = script.table(dict(weight={'0': run, '1': run | dict(rare_iou=12)}))
    assert '| weight | 11.0 ± 1.4 | 50.0 ± 0.0 | 20.0 ± 0.0 |' in lines
    assert 'plain' not in lines


def test_rows_differ_by_their_option_alone(script) -> None:
    args = script.parse_args(['--cfg-options', 'a=1'])
    plain, *others = (set(script.experiment(r, 1, args).options) for r in script.ROWS)
    assert 'train_dataloader.dataset.split=train_rare_grid' in plain and 'a=1' in plain
    assert [len(one - plain) for one in others] == [1, 1]
    assert all(plain < one for one in others)


def test_the_list_must_be_there(script, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(script, 'ROOT', tmp_path)
    with pytest.raises(DataError, match=r'rare_grid.txt is missing.*--rare grid'):
        script.main(['--rows', 'plain'])
