# Licensed under Apache-2.0.
"""The tables of the benchmark on VOC Animals, from results that are made up."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from mmengine.config import Config

from mmwsss.cli.inference_options import segmentor_cfg
from mmwsss.evaluation.areas import ClassAreas
from mmwsss.evaluation.photo_areas import write_photo_areas
from tests.helpers.training import ROOT


@pytest.fixture
def script(load_tool) -> ModuleType:
    return load_tool(ROOT / 'benchmarks' / 'animals.py')


def run(cam: float, seg: float | None = None) -> dict:
    metrics = dict(cls_mAP=80.0, cam_mIoU=cam)
    found = dict(
        config='c.py',
        train_cost=dict(seconds=600, peak_mib=2048),
        test_cost=dict(seconds=100, peak_mib=1024),
        metrics=metrics,
    )
    if seg is not None:
        metrics['seg_mIoU'] = seg
        found['tta'] = dict(seg_mIoU=seg + 1)
    return found


def write_areas(script, out, row: str, hits: int, outputs=('cam',)) -> None:
    truth = np.full(7, 100)
    photo = ClassAreas(np.full(7, hits), truth, truth)
    areas = {name: [photo] * 5 for name in outputs}
    write_photo_areas(list('abcde'), areas, script.areas_path(row, 0, out))


def test_scores_costs_and_seeds(script) -> None:
    results = dict(cam={'0': run(40.0), '1': run(42.0)}, toco={'0': run(50.0, 45.0)})
    lines = script.score_table(results).splitlines()
    assert lines[0].startswith('| mIoU, val | mAP | CAM | aux CAM |')
    assert '41.0 ± 1.4' in lines[2] and lines[2].endswith(
        '| 10 min | 0.50 s | 2.0 GiB | 2 |'
    )
    assert '| 50.0 | – |' in lines[3] and '| 45.0 | 46.0 | – |' in lines[3]
    assert len(lines) == 4


def test_a_training_in_parts_has_no_cost(script) -> None:
    part = run(50.0) | dict(train_cost=None)
    lines = script.score_table(dict(cam={'0': part})).splitlines()
    assert lines[2].endswith('| – | 0.50 s | – | 1 |')
    lines = script.score_table(dict(cam={'0': part, '1': run(42.0)})).splitlines()
    assert lines[2].endswith('| 10 min | 0.50 s | 2.0 GiB | 2 |')


def test_classes_and_differences(script, tmp_path) -> None:
    out = tmp_path / 'animals.json'
    results = dict(cam={'0': run(40.0)}, toco={'0': run(50.0, 45.0)})
    write_areas(script, out, 'cam', 50)
    write_areas(script, out, 'toco', 100, ('cam', 'seg'))
    classes = script.class_table(results, out)
    assert '| + L_seg = ToCo | seg | ' + ' | '.join(['100.0'] * 7) + ' |' in classes
    assert '| plain CAM: L_cls | cam | 33.3 |' in classes
    differences = script.difference_table(results, out).splitlines()[2:]
    assert differences == [
        '| + L_seg = ToCo | plain CAM: L_cls | cam | 0 | +66.7 [+66.7, +66.7] |'
    ]


def test_further_tests_want_the_segmentation_alone(script, load_tool) -> None:
    """Of every row that has some: options of a network that isn't wrapped yet."""
    test, args = load_tool(ROOT / 'tools' / 'test.py'), script.parse_args([])
    found = {}
    for row, one in script.ROWS.items():
        experiment = script.experiment(row, 0, args)
        for name in one.more_tests:
            command = experiment.test_command(Path('a.pth'), name)
            cfg = test.build_config(test.parse_args(command[1:]))
            found.setdefault(name, set()).add(
                tuple(segmentor_cfg(cfg).test_cfg.outputs)
            )
            assert ('post_processor' in cfg.model) == (name == 'crf')
    assert found == dict(tta={('seg',)}, crf={('seg',)})


def test_first_seeds_first(script) -> None:
    args = script.parse_args(['--rows', 'toco', 'fsr'])
    assert script.plan(args) == [('toco', 0), ('fsr', 0), ('toco', 1), ('toco', 2)]
    args = script.parse_args(['--rows', 'toco', '--seeds', '4'])
    assert script.plan(args) == [('toco', 4)]


def test_rows_name_configs(script) -> None:
    for row in script.ROWS.values():
        cfg = Config.fromfile(ROOT / row.config)
        assert cfg.train_dataloader.dataset.type == 'VOCAnimalsDataset'
        assert bool(cfg.get('tta_cfg')) == ('tta' in row.more_tests)
