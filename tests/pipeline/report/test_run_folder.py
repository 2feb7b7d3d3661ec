# Licensed under Apache-2.0.
"""What is read of a work dir."""

from __future__ import annotations

import pytest

from mmwsss.io.errors import UserError
from mmwsss.pipeline.report.run_facts import facts_of, setting_differences
from mmwsss.pipeline.report.run_folder import environment_of, minutes_of, read_run
from mmwsss.pipeline.report.run_scalars import read_scalars
from tests.helpers.run_folders import (
    log_text,
    shapes_config,
    trained,
    validated,
    write_session,
)


def test_series_of_training_and_validation(finished) -> None:
    scalars = read_run(finished, 'toco').scalars
    assert scalars.train['loss'] == {1: 2.0, 2: 1.5, 4: 1.0}
    assert scalars.val['seg_mIoU'] == {2: 40.0, 4: 60.0}
    assert 'seg_mIoU' not in scalars.train and 'loss' not in scalars.val
    assert scalars.last == 4 and scalars.last_scores['cls_mAP'] == 95.0


@pytest.mark.parametrize('begin', [1, 3])
def test_a_later_start_counts(tmp_path, begin) -> None:
    """It repeats what came after its checkpoint; one that began anew repeats all."""
    first = [trained(step, loss=9.0) for step in (1, 2, 3)]
    first.insert(2, validated(2, seg_mIoU=1.0))
    second = [trained(step, loss=1.0) for step in range(begin, 5)]
    files = []
    for name, lines in (('a', first), ('b', second)):
        files.append(tmp_path / name)
        files[-1].write_text('\n'.join(lines) + '\n')
    scalars = read_scalars(files)
    expected = {step: 9.0 if step < begin else 1.0 for step in (1, 2, 3, 4)}
    assert scalars.train['loss'] == expected
    assert scalars.val.get('seg_mIoU', {}) == ({2: 1.0} if begin == 3 else {})


def test_the_validation_that_a_resumed_run_begins_with(tmp_path) -> None:
    files = [tmp_path / 'a', tmp_path / 'b']
    files[0].write_text(trained(1) + '\n' + trained(2) + '\n')
    files[1].write_text(validated(2, mIoU=5.0) + '\n' + trained(3) + '\n')
    scalars = read_scalars(files)
    assert scalars.val['mIoU'] == {2: 5.0} and scalars.last == 3


def test_a_line_that_a_kill_cut_off(tmp_path) -> None:
    file = tmp_path / 'scalars.json'
    file.write_text(trained(1, loss=2.0) + '\n{"loss": 1.')
    assert read_scalars([file]).train['loss'] == {1: 2.0}


def test_facts_of_a_finished_run(finished) -> None:
    run = read_run(finished, 'toco')
    facts = facts_of(run)
    assert facts['method'] == 'ToCo' and facts['iterations'] == '4 of 4'
    assert facts['learns from'] == 'image labels' and facts['time'] == '30 minutes'
    # the pointer says where the checkpoint lay when it was written
    assert run.checkpoint == finished / 'iter_4.pth'
    assert run.tests == {
        'test': dict(seg_mIoU=58.25, images=300, classes=dict(seg=dict(dots=50.0)))
    }


def test_an_interrupted_run_says_so(make_run) -> None:
    run = read_run(make_run(lines=[trained(2, loss=1.0)], weights=False), 'cut')
    assert facts_of(run)['iterations'].startswith('2 of 4: interrupted')
    assert run.checkpoint is None and facts_of(run)['checkpoint'] == 'none'


def test_the_folder_of_a_test_names_what_it_tested(finished, drawn, tmp_path) -> None:
    checkpoint = finished / 'iter_4.pth'
    cfg = shapes_config(drawn, load_from=str(checkpoint))
    (tmp_path / 'a/vis_data').mkdir(parents=True)
    (tmp_path / 'a/vis_data/config.py').write_text(cfg.pretty_text)
    run = read_run(tmp_path, 'test')
    assert run.checkpoint == checkpoint and facts_of(run)['method'] == 'ToCo'
    # a training that began with weights has not made them
    write_session(tmp_path, 'b', [trained(1)], cfg)
    assert read_run(tmp_path, 'test').checkpoint is None


def test_what_a_log_says_of_the_machine() -> None:
    text = environment_of(log_text('10:00:00', '11:30:00'))
    assert 'PyTorch: 2.11.0' in text and 'seed: 0' in text and 'MMEngine' in text
    assert 'GCC' not in text
    assert minutes_of(log_text('10:00:00', '11:30:00')) == 90
    assert minutes_of('nothing') == 0 and environment_of('nothing') == ''


def test_settings_that_differ(drawn, tmp_path) -> None:
    runs = []
    for seed in (0, 3):
        cfg = shapes_config(drawn, randomness=dict(seed=seed))
        write_session(tmp_path / str(seed), 'a', [trained(1)], cfg)
        runs.append(read_run(tmp_path / str(seed), str(seed)))
    assert setting_differences(runs) == ['randomness.seed: 0 → 3']


def test_broken_scores_are_named(tmp_path) -> None:
    (tmp_path / 'metrics.json').write_text('{')
    with pytest.raises(UserError, match='metrics.json is no valid JSON'):
        read_run(tmp_path, 'a')
