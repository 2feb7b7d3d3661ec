# Licensed under Apache-2.0.
"""Pictures of what a data set yields."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'misc' / 'browse_dataset.py'
CONFIG = ROOT / 'configs' / '_base_' / 'datasets' / 'shapes_96.py'


@pytest.fixture
def shapes(tmp_path):
    """Four pictures of stripes in the layout of Shapes."""
    for folder in ('JPEGImages', 'SegmentationClass', 'splits'):
        (tmp_path / folder).mkdir()
    for name in 'abcd':
        Image.new('RGB', (40, 30), 'blue').save(tmp_path / 'JPEGImages' / f'{name}.jpg')
        mask = np.zeros((30, 40), np.uint8)
        mask[5:9] = 1
        Image.fromarray(mask).save(tmp_path / 'SegmentationClass' / f'{name}.png')
    for split in ('train', 'val', 'test'):
        text = ''.join(f'{name} stripes\n' for name in 'abcd')
        (tmp_path / 'splits' / f'{split}.txt').write_text(text)
    return tmp_path


@pytest.fixture
def drawn(load_tool, monkeypatch):
    """The tool, and of each panel: its heading, and (title, size, ids) of tiles."""
    tool, panels = load_tool(TOOL), []
    compose = tool.compose_panel

    def noted(rows, classes, palette, heading):
        shown = [(t.title, t.picture.shape[1::-1], set(t.labels)) for t in rows[0]]
        panels.append((heading, shown))
        return compose(rows, classes, palette, heading)

    monkeypatch.setattr(tool, 'compose_panel', noted)
    return tool, panels


VIEWS = [(name, (192, 192), set()) for name in ('view 1', 'view 2', 'local')]
MASKED = [
    ('photo', (240, 180), set()),
    ('mask', (240, 180), {0, 1}),
    ('mask on photo', (240, 180), {0, 1}),
]


@pytest.mark.parametrize(('part', 'wanted'), [('train', VIEWS), ('val', MASKED)])
def test_pictures_with_headings(drawn, shapes, part, wanted):
    """Small pictures are enlarged, all by the same whole number."""
    out, (tool, panels) = shapes / 'browse', drawn
    tool.main(
        [
            str(CONFIG),
            '--split',
            part,
            '--out',
            str(out),
            '--number',
            '3',
            '--cfg-options',
            f'{part}_dataloader.dataset.data_root={shapes}',
        ]
    )
    files = sorted(out.glob('*.png'))
    assert len(files) == 3
    assert panels == [(f'{name}: stripes', wanted) for name in 'abc']


def test_what_nobody_labelled_is_not_said_to_be_empty(drawn, shapes):
    tool, panels = drawn
    (shapes / 'splits' / 'test.txt').write_text('a background\nb\n')
    Image.new('L', (40, 30)).save(shapes / 'SegmentationClass' / 'a.png')
    options = f'test_dataloader.dataset.data_root={shapes}'
    arguments = [str(CONFIG), '--split', 'test', '--out', str(shapes / 'browse')]
    tool.main([*arguments, '--cfg-options', options])
    assert [heading for heading, _ in panels] == ['a: no object', 'b: label unknown']


def test_saliency_maps_and_views_are_shown(drawn, shapes):
    """The map beside its crop; the mask over the photo, whatever scales there are."""
    (shapes / 'Saliency').mkdir()
    for name in 'abcd':
        Image.new('L', (40, 30), 200).save(shapes / 'Saliency' / f'{name}.png')
    config = str(CONFIG).replace('shapes_96', 'shapes_96_sal')
    tool, panels = drawn
    for part, titles in (
        ('train', ['photo', 'saliency']),
        ('test', ['scale 1', 'scale 1.5', 'scale 2', 'mask', 'mask on photo']),
    ):
        out = shapes / part
        tool.main(
            [
                config,
                '--part',
                part,
                '--out',
                str(out),
                '--number',
                '1',
                '--cfg-options',
                f'{part}_dataloader.dataset.data_root={shapes}',
            ]
        )
        assert [title for title, _, _ in panels.pop()[1]] == titles


def test_verify_is_the_check_of_a_data_set(load_tool, shapes, capsys):
    """By its old name: the same lines as check_dataset.py."""
    arguments = [
        str(CONFIG),
        '--part',
        'val',
        '--verify',
        '--cfg-options',
        f'val_dataloader.dataset.data_root={shapes}',
        'val_dataloader.dataset.check_samples=0',
    ]
    load_tool(TOOL).main(arguments)
    Image.new('L', (40, 31)).save(shapes / 'SegmentationClass' / 'c.png')
    capsys.readouterr()
    with pytest.raises(SystemExit, match='^1$'):
        load_tool(TOOL).main(arguments)
    said = capsys.readouterr().out
    assert '--verify is tools/analysis_tools/check_dataset.py now' in said
    assert re.search(r'refused: val: .*c\.png is 31x40', said), said
    assert '1 refused' in said
