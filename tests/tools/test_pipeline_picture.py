# Licensed under Apache-2.0.
"""The picture of a pipeline's stages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.score_files import save_scores
from tests.helpers.training import ROOT

TOOL = ROOT / 'tools/analysis_tools/pipeline_picture.py'


def stage(folder: Path, done: bool = True, names: tuple[str, ...] = ('a',)) -> None:
    """A stage that generated the CAM and the mask of some pictures."""
    run = folder / 'run'
    (run / 'cam').mkdir(parents=True)
    (run / 'mask').mkdir()
    for name in names:
        save_scores(
            run / f'cam/{name}.npz',
            np.full((1, 4, 6), 0.5, np.float32),
            np.array([1]),
            (16, 24),
        )
        Image.fromarray(np.ones((16, 24), np.uint8)).save(run / f'mask/{name}.png')
    (run / 'manifest.json').write_text(
        json.dumps(
            dict(classes=['background', 'cat'], palette=[[0, 0, 0], [255, 0, 0]])
        )
    )
    if done:
        (folder / 'record.json').write_text('{}')


def options(tmp_path: Path) -> list[str]:
    return [
        str(tmp_path / 'work'),
        '--img-dir',
        str(tmp_path),
        '--ann-dir',
        str(tmp_path),
        '--out',
        str(tmp_path / 'out.png'),
    ]


def test_finished_stages_side_by_side(load_tool, tmp_path) -> None:
    tool = load_tool(TOOL)
    Image.new('RGB', (24, 16)).save(tmp_path / 'a.jpg')
    Image.new('L', (24, 16)).save(tmp_path / 'a.png')
    widths = []
    for name, done in (('01_cams', True), ('02_masks', True), ('03_more', False)):
        stage(tmp_path / 'work' / name, done)
        tool.main(options(tmp_path))
        with Image.open(tmp_path / 'out.png') as picture:
            widths.append(picture.size[0])
    # photo, CAM, mask, truth; two more with the second stage; nothing unfinished
    assert widths[0] < widths[1] == widths[2]


def test_each_picture_has_one_row(load_tool, tmp_path, monkeypatch) -> None:
    tool, drawn = load_tool(TOOL), []
    monkeypatch.setattr(
        tool,
        'row',
        lambda name, *rest, row=tool.row: drawn.append(name) or row(name, *rest),
    )
    for name in 'abc':
        Image.new('RGB', (24, 16)).save(tmp_path / f'{name}.jpg')
        Image.new('L', (24, 16)).save(tmp_path / f'{name}.png')
    stage(tmp_path / 'work/01_cams', names=('b', 'a', 'c'))
    tool.main([*options(tmp_path), '--count', '2'])
    assert drawn == ['a', 'b']


def test_nothing_to_show(load_tool, tmp_path) -> None:
    stage(tmp_path / 'work/01_cams', done=False)
    with pytest.raises(ValueError, match='no finished stage'):
        load_tool(TOOL).main(options(tmp_path))
