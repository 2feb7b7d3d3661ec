# Licensed under Apache-2.0.
"""Partial labels of masks, points, clicks and LabelMe's marks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.data_errors import LabelError, MaskError
from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import OutputError
from tests.datasets.conftest import draw
from tests.datasets.test_partial_input import build
from tests.helpers import ROOT

TOOL = ROOT / 'tools/dataset_converters/partial_labels.py'
LABELS = {f'p{i}': ('cat',) if i % 2 else ('dog', 'cat') for i in range(8)}


@pytest.fixture
def root(tmp_path) -> Path:
    """Eight pictures, of which six have masks."""
    root = draw(tmp_path / 'set', LABELS)
    for name in ('p1', 'p6'):
        (root / 'SegmentationClass' / f'{name}.png').unlink()
    (root / 'config.py').write_text(
        'train_dataloader = dict(dataset=dict(type="ShapesDataset", '
        f'data_root={str(root)!r}, side_inputs=dict(partial=dict(dir="partial", '
        'kind="ids")), pipeline=[dict(type="LoadPicture")]))\n'
    )
    return root


@pytest.fixture
def run(load_tool, root):
    """``run('--masks', ...)`` gives the maps that are there then, by name."""
    tool = load_tool(TOOL)

    def call(*options: str, out: str = 'partial') -> dict[str, np.ndarray]:
        folder = root / out
        tool.main(
            [str(root / 'config.py'), '--out', str(folder), '--workers', '0', *options]
        )
        return {p.stem: np.asarray(Image.open(p)) for p in folder.glob('*.png')}

    return call


def mask_of(root: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(root / 'SegmentationClass' / f'{name}.png'))


def test_whole_masks_of_a_few_pictures(run, root) -> None:
    some = run('--masks', '--count', '2', '--seed', '3')
    assert len(some) == 2 and not set(some) & {'p1', 'p6'}
    assert all(np.array_equal(ids, mask_of(root, name)) for name, ids in some.items())
    more = run('--masks', '--count', '4', '--seed', '3', out='more')
    assert set(some) < set(more)
    assert set(run('--masks', '--count', '2', '--seed', '4', out='other')) != set(some)
    assert len(run('--masks', out='all')) == 6
    dataset = build(root)  # it is what a training reads
    assert dataset.partial.found == 2 and dataset.partial.pictures == 8


def test_named_pictures(run, root) -> None:
    (root / 'list.txt').write_text('p3\np4.jpg\n')
    assert set(run('--masks', '--list', str(root / 'list.txt'))) == {'p3', 'p4'}
    (root / 'list.txt').write_text('p3\np1\n')
    with pytest.raises(
        MaskError, match=r'p1\.png is not there, .*: 1 of 2 named pictures is missing'
    ):
        run('--masks', '--list', str(root / 'list.txt'), out='other')


def test_points(run, root) -> None:
    found = run('--points', '--radius', '1')
    assert len(found) == 6
    for name, ids in found.items():
        there = ids != 255
        mask = mask_of(root, name)
        assert np.array_equal(ids[there], mask[there])
        assert set(ids[there]) == set(mask[mask != 255])
        assert 2 <= there.sum() <= 5 * 3


def test_clicks_and_labelme(run, root) -> None:
    table = root / 'clicks.csv'
    table.write_text('image,x,y,class\np1.jpg,4,2,cat\np2.jpg,30,20,background\n')
    found = run('--clicks', str(table), '--radius', '0')
    assert set(found) == {'p1', 'p2'} and (found['p1'] != 255).sum() == 1
    assert found['p1'][2, 4] == 1 and found['p2'][20, 30] == 0
    (root / 'labelme').mkdir()
    shape = dict(label='cat', shape_type='linestrip', points=[[4, 2], [9, 2]])
    (root / 'labelme/p3.json').write_text(json.dumps(dict(shapes=[shape])))
    found = run('--labelme', str(root / 'labelme'), '--radius', '0', out='strokes')
    assert np.argwhere(found['p3'] == 1).tolist() == [[2, x] for x in range(4, 10)]


@pytest.mark.parametrize(
    'row,message',
    [
        ('q.jpg,4,2,cat', r"clicks\.csv marks 'q', which is no picture"),
        ('p1.jpg,4,99,cat', r'p1\.jpg wrongly: x=4, y=99 lies outside .* 32 x 24'),
    ],
)
def test_clicks_elsewhere(run, root, row, message) -> None:
    (root / 'clicks.csv').write_text(f'{row}\n')
    with pytest.raises(LabelError, match=message):
        run('--clicks', str(root / 'clicks.csv'))


def test_masks_that_do_not_fit(run, root) -> None:
    with pytest.raises(MaskError, match='holds masks of 6 .* 7 are asked for.*--count'):
        run('--masks', '--count', '7')
    path = root / 'SegmentationClass/p3.png'
    Image.fromarray(np.full((24, 32), 7, np.uint8)).save(path)
    with pytest.raises(MaskError, match=r'p3\.png holds the ids \[7\]'):
        run('--points')
    Image.fromarray(np.zeros((12, 16), np.uint8)).save(path)
    with pytest.raises(MaskError, match=r'p3\.png is 12x16 but its image'):
        run('--masks', out='other')


def test_inputs_and_others_are_not_written_over(run, root) -> None:
    before = mask_of(root, 'p3').copy()
    with pytest.raises(OutputError, match='SegmentationClass, which is read'):
        run('--points', out='SegmentationClass')
    assert np.array_equal(mask_of(root, 'p3'), before)
    (root / 'mine').mkdir()
    (root / 'mine/p3.png').write_bytes(b'mine')
    with pytest.raises(OutputError, match=r'p3\.png is there and was not made'):
        run('--points', out='mine')
    assert (root / 'mine/p3.png').read_bytes() == b'mine'


def test_what_an_earlier_run_left_would_count(run) -> None:
    run('--masks', '--count', '4')
    with pytest.raises(UserError, match='partial labels of 2 other pictures'):
        run('--masks', '--count', '2')
    assert len(run('--masks', '--count', '4')) == 4  # the same again


def test_options_that_contradict(run) -> None:
    for options in (
        ('--masks', '--points'),
        ('--clicks', 'c.csv', '--count', '2'),
        ('--points', '--radius', '-1'),
        (),
    ):
        with pytest.raises(SystemExit):
            run(*options)
