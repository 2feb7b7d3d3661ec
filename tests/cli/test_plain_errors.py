# Licensed under Apache-2.0.
"""A user's error is one line, a fault of the program keeps its traceback."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mmwsss.cli.arguments import RenamedAction, plain_errors, save_metrics
from mmwsss.io.errors import UserError, first_lines
from mmwsss.models.prediction.inference_cfg import SegFusion
from tests.helpers.methods import ROOT

#: they have no mmwsss to import, or are no tools of users
OTHERS = (
    *('install_mmcv.py', 'update_model_index.py'),
    *('pretrain_networks.py', 'pretrain_clip.py'),
)
TOOLS = sorted(p for p in (ROOT / 'tools').rglob('*.py') if p.name not in OTHERS)


@pytest.mark.parametrize('error', [UserError('w'), FileNotFoundError('w')])
def test_errors_of_the_user(error) -> None:
    with pytest.raises(SystemExit, match='^error: w$'), plain_errors():
        raise error


def test_a_setting_that_a_class_refuses() -> None:
    with pytest.raises(SystemExit, match='error: test_cfg.seg.fuse'), plain_errors():
        SegFusion(fuse='min')


def test_a_fault_keeps_its_traceback() -> None:
    with pytest.raises(ValueError, match='invalid literal'), plain_errors():
        json.loads('1', parse_int=lambda _: int('x'))
    with pytest.raises(RuntimeError), plain_errors():
        raise RuntimeError
    with pytest.raises(SystemExit), plain_errors(RuntimeError):
        raise RuntimeError('of a worker')


@pytest.mark.parametrize('tool', TOOLS, ids=lambda p: p.name)
def test_every_tool_ends_plainly(tool: Path) -> None:
    text = tool.read_text()
    assert 'with plain_errors(' in text or tool.name == 'run_pipeline.py'


def test_a_missing_config_is_one_line() -> None:
    run = subprocess.run(
        [sys.executable, 'tools/misc/print_config.py', 'configs/none.py'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1 and 'Traceback' not in run.stderr
    assert run.stderr.strip().splitlines()[-1].startswith('error: ')


def test_an_undefined_score_is_null(tmp_path) -> None:
    save_metrics(dict(a=1.5, b=float('nan'), c=float('inf')), tmp_path)
    text = (tmp_path / 'metrics.json').read_text()
    assert json.loads(text) == dict(a=1.5, b=None, c=None) and 'NaN' not in text


def test_the_scores_of_classes_stand_beside_the_others(tmp_path) -> None:
    classes = dict(seg=dict(cat=50.0, dog=float('nan')))
    save_metrics(dict(images=3), tmp_path, classes)
    found = json.loads((tmp_path / 'metrics.json').read_text())
    assert found == dict(images=3, classes=dict(seg=dict(cat=50.0, dog=None)))


def test_an_old_name_is_understood() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--split', default='train')
    parser.add_argument('--part', action=RenamedAction, dest='split')
    assert parser.parse_args([]).split == 'train'
    assert parser.parse_args(['--part', 'val']).split == 'val'


def test_long_lists_are_cut() -> None:
    text = '\n'.join(map(str, range(300)))
    assert first_lines(text, 2) == '0\n1\n    ... and 298 more'
    assert first_lines('a') == 'a'
