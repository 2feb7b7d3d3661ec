# Licensed under Apache-2.0.
"""Figures of the benchmarks' files, as the zoo shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmwsss.io.errors import UserError
from mmwsss.pipeline.measured import measured


def write(root: Path, content: Any) -> dict[str, str]:
    (root / 'a.json').write_text(json.dumps(content))
    return dict(File='a.json', Row='row')


def test_mean_and_spread_of_the_seeds(tmp_path: Path) -> None:
    runs = {
        str(seed): dict(
            config='c.py',
            metrics=dict(cam_mIoU=10.0 + seed, seg_mIoU=None, cam_FP=3, time=1),
            train_cost=dict(seconds=60 * seed + 60, peak_mib=1024 * (seed + 1)),
            tta=dict(seg_mIoU=50.06),
        )
        for seed in range(3)
    }
    assert measured(tmp_path, write(tmp_path, dict(row=runs))) == {
        'Seeds': 3,
        'Metrics': dict(cam_mIoU=11.0, seg_mIoU_tta=50.1),
        'Deviation': dict(cam_mIoU=1.0, seg_mIoU_tta=0.0),
        'Training Minutes': 2,
        'Peak Memory': '3.0 GiB',
    }


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    where = write(tmp_path, dict(row={'0': dict(metrics=dict(cls_mAP=99.96))}))
    found = measured(tmp_path, where)
    assert found == dict(Seeds=1, Metrics=dict(cls_mAP=100.0))


def test_nested_rows(tmp_path: Path) -> None:
    run = dict(metrics=dict(cam_mIoU=5.0))
    where = write(tmp_path, dict(base=dict(row={'0': run}))) | dict(Row='base/row')
    assert measured(tmp_path, where) == dict(Seeds=1, Metrics=dict(cam_mIoU=5.0))


def test_a_pipelines_stages(tmp_path: Path) -> None:
    def stage(name: str, on: str, **metrics: float) -> dict:
        return dict(stage=name, scored_on=on, metrics=metrics, hours=0.25)

    rows = [
        stage('net', 'val', cam_mIoU=1.0, seg_mIoU=2.0),
        stage('score', 'train', mask_mIoU=3.0, mask_labelled=60.0),
        stage('test', 'test', seg_mIoU=4.0),
    ]
    stages = dict(mask_mIoU='score', seg_mIoU='test', cam_mIoU='not_there')
    where = write(tmp_path, dict(row={'0': rows})) | dict(Stages=stages)
    assert measured(tmp_path, where) == {
        'Seeds': 1,
        'Metrics': dict(seg_mIoU=4.0, mask_mIoU=3.0, mask_labelled=60.0),
        'Splits': dict(seg_mIoU='test', mask_mIoU='train'),
        'Training Minutes': 45,
    }


def test_nothing_is_measured_before_it_is_there(tmp_path: Path) -> None:
    assert measured(tmp_path, dict(File='none.json', Row='row')) is None
    assert measured(tmp_path, write(tmp_path, dict(other={}))) is None
    where = write(tmp_path, dict(row={'0': dict(metrics=dict(time=1.0))}))
    assert measured(tmp_path, where) is None


@pytest.mark.parametrize('content', [[1], dict(row=[1]), dict(row='text')])
def test_another_file_is_named(tmp_path: Path, content: Any) -> None:
    with pytest.raises(UserError, match=r'a.json is no results file .* row row'):
        measured(tmp_path, write(tmp_path, content))
