# Licensed under Apache-2.0.
"""Thresholds from image labels, of a trained network on drawn pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmwsss.io.errors import UserError
from tests.helpers import ROOT
from tests.helpers.drawn_shapes import CHECKPOINT, CONFIG, draw_shapes, shapes_options

TOOL = ROOT / 'tools' / 'analysis_tools' / 'suggest_thresholds.py'


@pytest.fixture(scope='module')
def shapes(tmp_path_factory) -> Path:
    return draw_shapes(tmp_path_factory.mktemp('shapes'), train=3, val=8)


@pytest.fixture
def suggest(load_tool, shapes, capsys):
    """Run the tool; gives exit code and what it says."""
    tool = load_tool(TOOL)

    def run(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        given = [CONFIG, CHECKPOINT, *map(str, arguments), *shapes_options(shapes)]
        return tool.main(given), capsys.readouterr().out

    return run


def test_suggests_and_is_judged(suggest, shapes, tmp_path) -> None:
    out = tmp_path / 'hint.json'
    code, log = suggest('--split', 'val', '--oracle', '--out', out)
    assert code == 0 and '8 pictures, 0 of them without an object' in log
    found = json.loads(out.read_text())
    hint, oracle = found['suggested'], found['oracle']
    assert 0.1 < hint['low_thr'] < hint['bkg_thr'] < hint['high_thr'] < 1
    for name in ('low_thr', 'high_thr'):
        assert f'model.labeler.{name}={hint[name]:g}' in log.split('--cfg-options')[1]
    assert f'test_evaluator.bkg_thr={hint["bkg_thr"]:g}' in log
    assert oracle['config'] | dict(bkg_thr=0.5, low_thr=0.25) == oracle['config']
    best = oracle['best on the truth']['cam_mIoU']
    assert best - 5 < oracle['suggested']['cam_mIoU'] <= best
    assert sum(row['present'] for row in found['classes'].values()) >= 8


def test_no_mask_is_read_without_being_asked(suggest, shapes, tmp_path) -> None:
    masks, aside = shapes / 'SegmentationClass', shapes / 'aside'
    masks.rename(aside)
    try:
        out = tmp_path / 'hint.json'
        code, log = suggest('--limit', 2, '--out', out)
        assert code == 0 and '2 pictures' in log and 'judged' not in log
        assert 'oracle' not in json.loads(out.read_text())
        # written again by the tool that made it
        assert suggest('--limit', 1, '--out', out)[0] == 0
    finally:
        aside.rename(masks)


def test_an_unreadable_picture_is_left_out(suggest, shapes) -> None:
    picture = sorted((shapes / 'JPEGImages').glob('train*'))[0]
    content = picture.read_bytes()
    picture.write_bytes(content[:500])
    try:
        code, log = suggest()
        assert code == 1 and '2 pictures' in log and picture.name in log
    finally:
        picture.write_bytes(content)


def test_refused(suggest) -> None:
    with pytest.raises(UserError, match='1 picture or more'):
        suggest('--limit', 0)
    with pytest.raises(UserError, match='is read'):
        suggest('--out', CHECKPOINT)
