# Licensed under Apache-2.0.
"""An experiment trains once, tests as often as it was asked to, and is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmwsss.pipeline.experiment import Experiment, run_experiment
from mmwsss.pipeline.manifest import read_manifest
from mmwsss.pipeline.stage_process import ToolError

CONFIG = """
model = dict(type='X', backbone=dict(pretrained=None))
train_dataloader = dict(dataset=dict(data_root='data'))
"""
TRAIN = """
import pathlib, sys
work = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
(work / 'iter_1.pth').touch()
(work / 'last_checkpoint').write_text(str(work / 'iter_1.pth'))
open('trained', 'a').write('x')
"""
TEST = """
import json, pathlib, sys
work = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
if 'fail=1' in sys.argv:
    sys.exit('no such thing')
work.mkdir(parents=True, exist_ok=True)
(work / 'metrics.json').write_text(json.dumps(dict(mIoU=len(sys.argv[-1]))))
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/train.py').write_text(TRAIN)
    (tmp_path / 'tools/test.py').write_text(TEST)
    (tmp_path / 'c.py').write_text(CONFIG)
    base = tmp_path / 'base.pth'
    base.write_text('weights')
    return Experiment(
        'c.py',
        tmp_path / 'work',
        tmp_path,
        options=(f'model.checkpoint={base}', 'a=1'),
        more_tests=dict(one_scale=('long_option=3',)),
    )


def test_every_test_has_its_metrics(experiment: Experiment) -> None:
    result = run_experiment(experiment)
    assert result['metrics'] == dict(mIoU=len('a=1'))
    assert result['one_scale'] == dict(mIoU=len('long_option=3'))
    assert run_experiment(experiment) == result
    assert (experiment.root / 'trained').read_text() == 'x'


def test_other_base_weights_train_anew(experiment: Experiment) -> None:
    """A file that an option names counts by what it holds, not by its name."""
    run_experiment(experiment)
    manifest = read_manifest(experiment.work_dir)
    (experiment.root / 'base.pth').write_text('other weights')
    run_experiment(experiment)
    assert (experiment.root / 'trained').read_text() == 'xx'
    aside = experiment.work_dir.with_name(f'work-{manifest["settings_hash"]}')
    assert (aside / 'iter_1.pth').is_file()


def test_a_resumed_training_has_no_cost(experiment: Experiment) -> None:
    """Its last part isn't what it takes."""
    assert run_experiment(experiment)['train_cost']['seconds'] >= 0
    for name in ('trained.json', 'result.json'):  # stopped after a checkpoint
        (experiment.work_dir / name).unlink()
    assert run_experiment(experiment)['train_cost'] is None


def test_other_tests_of_a_trained_network(experiment: Experiment) -> None:
    """They cost no training, and what was noted of it stays."""
    first = run_experiment(experiment)
    more = replace(experiment, more_tests=dict(two_scales=('option=12',)))
    second = run_experiment(more)
    assert (experiment.root / 'trained').read_text() == 'x'
    assert second['two_scales'] == dict(mIoU=len('option=12'))
    assert second['train_cost'] == first['train_cost'] and 'one_scale' not in second
    Path(second['checkpoint']).unlink()
    run_experiment(more)
    assert (experiment.root / 'trained').read_text() == 'xx'


def test_a_test_that_failed_costs_no_second_training(experiment: Experiment) -> None:
    failing = replace(experiment, more_tests=dict(bad=('fail=1',)))
    with pytest.raises(ToolError):
        run_experiment(failing)
    run_experiment(experiment)
    assert (experiment.root / 'trained').read_text() == 'x'


def test_a_checkpoint_of_unknown_settings_is_put_aside(experiment: Experiment) -> None:
    experiment.work_dir.mkdir()
    (experiment.work_dir / 'last_checkpoint').write_text('iter_9.pth')
    run_experiment(experiment)
    aside = experiment.work_dir.with_name('work-unknown')
    assert (aside / 'last_checkpoint').read_text() == 'iter_9.pth'


def test_a_failed_test_names_its_log(experiment: Experiment) -> None:
    failing = replace(experiment, more_tests=dict(bad=('fail=1',)))
    with pytest.raises(ToolError, match=r'(?s)output\.log.*no such thing'):
        run_experiment(failing)
