# Licensed under Apache-2.0.
"""The command line that counts what pseudo masks hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.data_errors import LabelError, MaskError
from mmwsss.io.label_png import save_label_png
from mmwsss.io.score_files import save_scores
from mmwsss.pipeline.manifest import write_manifest

ROOT = Path(__file__).parents[2]
CLASSES = ('background', 'red fox', 'dog')


@pytest.fixture
def tool(load_tool):
    return load_tool(ROOT / 'tools' / 'analysis_tools' / 'pseudo_label_stats.py')


@pytest.fixture
def place(tmp_path) -> Path:
    masks = dict(a=np.array([[0, 1], [1, 255]]), b=np.array([[0, 0], [2, 2]]))
    (tmp_path / 'images').mkdir()
    for name, mask in masks.items():
        save_label_png(
            mask.repeat(20, 0).repeat(25, 1), tmp_path / 'out' / 'mask' / f'{name}.png'
        )
        save_scores(
            tmp_path / 'out' / 'cam' / f'{name}.npz',
            np.full((1, 4, 5), 0.5),
            [1],
            (40, 50),
        )
        Image.new('RGB', (50, 40), (90, 90, 90)).save(
            tmp_path / 'images' / f'{name}.jpg'
        )
    (tmp_path / 'labels.txt').write_text('a.jpg red_fox dog\nb red_fox\n')
    write_manifest(tmp_path / 'out', dict(settings={}, classes=CLASSES))
    return tmp_path


def test_numbers(tool, place, capsys) -> None:
    found = tool.main(
        [
            str(place / 'out'),
            '--labels',
            str(place / 'labels.txt'),
            '--out',
            str(place / 's.json'),
            '--workers',
            '1',
        ]
    )
    assert found == json.loads((place / 's.json').read_text())
    assert (found['masks'], found['ignored'], found['lost'], found['foreign']) == (
        2,
        12.5,
        2,
        1,
    )
    assert found['classes']['red fox'] == dict(
        images=1, pixels=25.0, ignored=25.0, labelled=2, lost=1, foreign=0
    )
    assert found['classes']['dog']['foreign'] == 1
    assert '| red fox' in capsys.readouterr().out


def test_without_labels(tool, place) -> None:
    found = tool.main([str(place / 'out' / 'mask'), '--workers', '1'])
    assert found['classes']['dog'] == dict(images=1, pixels=25.0, ignored=0.0)


def test_sheet(tool, place) -> None:
    tool.main(
        [
            str(place / 'out'),
            '--sheet',
            str(place / 'new' / 'sheet.png'),
            '--img-dir',
            str(place / 'images'),
            '--count',
            '2',
            '--workers',
            '1',
        ]
    )
    with Image.open(place / 'new' / 'sheet.png') as sheet:
        assert sheet.width > 3 * 224 and sheet.height > 2 * 224


def test_what_is_refused(tool, place) -> None:
    (place / 'few.txt').write_text('a dog\n')
    with pytest.raises(LabelError, match=r'lack 1 of 2 masks \(first: b\)'):
        tool.main([str(place / 'out'), '--labels', str(place / 'few.txt')])
    (place / 'few.txt').write_text('a cat\n')
    with pytest.raises(LabelError, match="unknown class 'cat'"):
        tool.main([str(place / 'out'), '--labels', str(place / 'few.txt')])
    save_label_png(np.full((3, 3), 9), place / 'out' / 'mask' / 'a.png')
    with pytest.raises(MaskError, match=r'a\.png holds the ids \[9\]'):
        tool.main([str(place / 'out'), '--workers', '1'])
    (place / 'out' / 'manifest.json').unlink()
    with pytest.raises(ValueError, match='give --classes'):
        tool.main([str(place / 'out')])
    with pytest.raises(SystemExit):
        tool.main([str(place / 'out'), '--sheet', 'a.png'])
