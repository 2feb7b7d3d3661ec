# Licensed under Apache-2.0.
"""Partial labels, and what learns from them: both are there, or it is said."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from mmwsss.engine.hooks.data_report import SUMMARY_FILE, report_training
from mmwsss.engine.hooks.partial_use import check_partial
from mmwsss.io.errors import UserError
from mmwsss.models.loss_schedule import LossSchedule
from tests.datasets.conftest import draw
from tests.datasets.test_partial_input import LOAD, PARTIAL, build, write
from tests.engine.test_data_report import model_of, runner_of

PLAIN = [LOAD[0], LOAD[2]]
LEARNS = dict(cls=1.0, partial=[(0, 0.0), (20, 0.5)])


@pytest.fixture
def folder(tmp_path):
    return draw(tmp_path / 'set')


@pytest.fixture
def root(folder):
    write(folder, 'a', {(2, 3): 1})
    return folder


def model(weights: dict, labeler: object | None = None):
    found = model_of(weights)
    schedule = LossSchedule(weights)
    found.terms = SimpleNamespace(schedule=schedule, names=set(weights))
    found.labeler = labeler
    return found


def checked(root, tmp_path, weights, labeler=None, **data) -> list[str]:
    runner = runner_of(tmp_path, build(root, **data))
    return check_partial(runner, model(weights, labeler))


def test_both_are_there(root, tmp_path) -> None:
    assert checked(root, tmp_path, LEARNS) == []


@pytest.mark.parametrize(
    'data,message',
    [
        (
            dict(side_inputs=None, pipeline=PLAIN),
            'never declares: add side_inputs=dict',
        ),
        (dict(pipeline=PLAIN), r'never reads: add .*LoadSideInputs.*leave the weight'),
    ],
)
def test_a_loss_without_its_input(root, tmp_path, data, message) -> None:
    with pytest.raises(UserError, match=message):
        checked(root, tmp_path, LEARNS, **data)
    off = dict(cls=1.0, partial=0.0)
    unused = data.get('side_inputs', PARTIAL) is not None  # declared, for nothing
    assert bool(checked(root, tmp_path, off, **data)) == unused


def test_a_loss_of_which_no_picture_knows_anything(folder, tmp_path) -> None:
    write(folder, 'z', {(2, 3): 1})
    message = r'none of the 4 pictures .* has a file in \S+partial, which holds 1: name'
    with pytest.raises(UserError, match=message):
        checked(folder, tmp_path, LEARNS)


def test_an_input_that_nothing_uses(root, tmp_path) -> None:
    (text,) = checked(root, tmp_path, dict(cls=1.0))
    assert 'no loss learns from it' in text and 'weights.partial' in text
    (text,) = checked(root, tmp_path, dict(cls=1.0, seg=0.1), object(), pipeline=PLAIN)
    assert 'does not read it' in text and 'LoadSideInputs' in text


def test_pseudo_labels_use_it(root, tmp_path) -> None:
    assert checked(root, tmp_path, dict(cls=1.0, seg=0.1), object()) == []


def test_the_log_and_the_summary_announce_it(root, tmp_path) -> None:
    runner = runner_of(tmp_path, build(root))
    report_training(runner, model(LEARNS), ['unused, perhaps'])
    lines = [text for kind, text in runner.logger if kind == 'info']
    (line,) = [text for text in lines if text.startswith('Partial labels')]
    assert re.search('1 of 4 pictures.*These are more than image labels', line)
    assert ('warning', 'unused, perhaps') in runner.logger
    assert line in (tmp_path / SUMMARY_FILE).read_text()
    runner = runner_of(tmp_path, build(root, None, PLAIN))
    report_training(runner, model(dict(cls=1.0)))
    assert not any('more than image labels' in text for _, text in runner.logger)


def test_other_data_sets_are_left_alone(tmp_path) -> None:
    assert check_partial(runner_of(tmp_path, [1, 2]), model(LEARNS)) == []
