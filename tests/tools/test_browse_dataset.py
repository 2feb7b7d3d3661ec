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


def without_legend(file: Path, part: str) -> tuple[int, int]:
    """Size of a sheet; the names of a mask's classes stand below it, on white."""
    sheet = Image.open(file)
    white = (np.asarray(sheet)[:, -1] == 255).all(-1)
    legend = len(white) - np.flatnonzero(~white).max() - 1
    assert (legend > 0) == (part != 'train')
    return sheet.width, sheet.height - legend


@pytest.mark.parametrize(
    ('part', 'size'), [('train', (3 * 96, 96 + 16)), ('val', (3 * 40, 30 + 16))]
)
def test_pictures(load_tool, shapes, part, size):
    out = shapes / 'browse'
    load_tool(TOOL).main(
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
    assert {without_legend(file, part) for file in files} == {size}


def test_saliency_maps_and_views_are_shown(load_tool, shapes):
    """The map beside its crop; the mask over the photo, whatever scales there are."""
    (shapes / 'Saliency').mkdir()
    for name in 'abcd':
        Image.new('L', (40, 30), 200).save(shapes / 'Saliency' / f'{name}.png')
    config = str(CONFIG).replace('shapes_96', 'shapes_96_sal')
    for part, size in (
        ('train', (2 * 96, 96 + 16)),
        ('test', ((40 + 60 + 80) + 2 * 40, 60 + 16)),
    ):
        out = shapes / part
        load_tool(TOOL).main(
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
        assert {without_legend(file, part) for file in out.glob('*.png')} == {size}


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
