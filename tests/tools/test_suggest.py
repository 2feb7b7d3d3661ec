# Licensed under Apache-2.0.
"""Pictures ranked by uncertainty, of a trained network on drawn pictures."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from PIL import Image

from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import OutputError
from tests.helpers import ROOT
from tests.helpers.drawn_shapes import CHECKPOINT, CONFIG, draw_shapes, shapes_options

TOOL = ROOT / 'tools' / 'analysis_tools' / 'suggest.py'


@pytest.fixture(scope='module')
def shapes(tmp_path_factory) -> Path:
    return draw_shapes(tmp_path_factory.mktemp('shapes'), train=4, val=1)


@pytest.fixture
def suggest(load_tool, shapes, capsys, tmp_path):
    """Run the tool; gives exit code, what it says, and the rows of its table."""
    tool, out = load_tool(TOOL), tmp_path / 'out'

    def run(*arguments: object) -> tuple[int, str, list[dict[str, str]]]:
        capsys.readouterr()
        given = ['--out', str(out), *map(str, arguments), *shapes_options(shapes)]
        code = tool.main([CONFIG, CHECKPOINT, *given])
        with open(out / 'suggested.csv', newline='') as file:
            return code, capsys.readouterr().out, list(csv.DictReader(file))

    return run


@pytest.fixture
def photos(shapes, tmp_path) -> Path:
    """The training pictures, one of them twice, and a broken one; no labels."""
    folder = tmp_path / 'photos'
    shutil.copytree(
        shapes / 'JPEGImages', folder, ignore=shutil.ignore_patterns('val*', 'test*')
    )
    first = sorted(folder.iterdir())[0]
    shutil.copy(first, folder / 'copy.jpg')
    (folder / 'broken.jpg').write_bytes(first.read_bytes()[:500])
    return folder


def test_photos_without_labels(suggest, photos, tmp_path) -> None:
    code, said, rows = suggest(photos, '--top', 2)
    assert code == 1 and '1 of 6 pictures were left out' in said
    assert 'broken.jpg cannot be read' in said
    assert len(rows) == 5 and [row['rank'] for row in rows] == list('12345')
    entropy = [float(row['entropy']) for row in rows]
    assert entropy == sorted(entropy, reverse=True) and 0 < entropy[-1] < entropy[0] < 1
    for row in rows:
        assert 0 < float(row['margin']) < 1 and 0 <= float(row['disagreement']) <= 1
        assert row['label'] == row['distance'] == row['contradicted_class'] == ''
    out = tmp_path / 'out'
    assert sorted(p.name for p in out.glob('*.png')) == ['rank_001.png', 'rank_002.png']
    assert Image.open(out / 'rank_001.png').width > 3 * 224  # four pictures beside


def test_a_copy_is_not_suggested_twice(suggest, photos) -> None:
    (photos / 'broken.jpg').unlink()
    code, _, rows = suggest(photos, '--by', 'margin', '--diverse', '--top', 5)
    assert code == 0
    names = {row['name'] for row in rows[:4]}
    assert len({'train_00000.jpg', 'copy.jpg'} & names) == 1
    assert float(rows[4]['distance']) == 0 and float(rows[1]['distance']) > 0.01


def test_a_label_that_the_network_contradicts_comes_first(suggest, shapes) -> None:
    listed = shapes / 'splits' / 'train.txt'
    text = listed.read_text()
    lines = text.splitlines()
    held = set(lines[2].split()[1:])
    other = next(
        name
        for name in ('stripes', 'dots', 'check', 'rings', 'zigzag', 'grid')
        if name not in held
    )
    lines[2] += f' {other}'
    listed.write_text('\n'.join(lines) + '\n')
    try:
        code, _, rows = suggest('train', '--by', 'label', '--top', 1)
    finally:
        listed.write_text(text)
    assert code == 0 and len(rows) == 4
    assert rows[0]['name'] == lines[2].split()[0]
    assert rows[0]['contradicted_class'] == other and float(rows[0]['label']) > 0.5


def test_refused(suggest, photos, tmp_path) -> None:
    with pytest.raises(UserError, match='none is known'):
        suggest(photos, '--by', 'label')
    with pytest.raises(UserError, match='1 picture or more'):
        suggest(photos, '--top', 0)
    with pytest.raises(FileNotFoundError, match='no such photo'):
        suggest(tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='no_such'):
        suggest('no_such')
    with pytest.raises(OutputError, match='which is read'):
        suggest(photos, '--out', photos)
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'rank_001.png').write_bytes(b'mine')
    with pytest.raises(OutputError, match='not made by this tool'):
        suggest(photos)
