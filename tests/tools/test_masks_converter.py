# Licensed under Apache-2.0.
"""Masks of class ids from other masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.data_errors import MaskError
from mmwsss.io.errors import UserError
from mmwsss.io.mask_colours import ids_of_colours, read_colours, read_map, renamed
from mmwsss.io.output_folder import OutputError

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters' / 'masks.py'
IDS = np.array([[0, 1, 2], [255, 1, 0]], np.uint8)
COLOURS = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8)


@pytest.fixture
def tool(load_tool):
    return load_tool(TOOL)


def save(path: Path, mask) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (Image.fromarray(mask) if isinstance(mask, np.ndarray) else mask).save(path)
    return path


def run(tool, folder: Path, *options: str) -> np.ndarray:
    tool.main([str(folder / 'in'), str(folder / 'out'), '--workers', '0', *options])
    return np.asarray(Image.open(folder / 'out' / 'sub' / 'a.png'))


def test_ids_get_new_names(tool, tmp_path):
    save(tmp_path / 'in' / 'sub' / 'a.png', IDS)
    got = run(tool, tmp_path, '--map', '255=0', '0=1', '1=2', '2=3')
    assert got.tolist() == [[1, 2, 3], [0, 2, 1]]
    assert run(tool, tmp_path, '--map', '255=1').tolist() == [[0, 1, 2], [1, 1, 0]]


def test_deep_ids(tool, tmp_path):
    save(tmp_path / 'in' / 'sub' / 'a.png', IDS.astype(np.uint16) * 200)
    got = run(tool, tmp_path, '--map', '200=1', '400=2', '51000=255')
    assert got.tolist() == IDS.tolist()
    with pytest.raises(
        MaskError, match=r'a\.png holds the ids \[400, 51000\], outside'
    ):
        run(tool, tmp_path, '--map', '200=1')


def test_colours(tool, tmp_path):
    ids = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    save(tmp_path / 'in' / 'sub' / 'a.png', COLOURS[ids])
    pairs = ('0,0,0=0', '#FF0000=1', '0,0,255=2')
    assert run(tool, tmp_path, '--colours', *pairs).tolist() == ids.tolist()
    with pytest.raises(MaskError, match=r'1 colours without .* 33\.3% .*\(0, 0, 255\)'):
        run(tool, tmp_path, '--colours', *pairs[:2])
    got = run(tool, tmp_path, '--colours', *pairs[:2], '--other', '255')
    assert got.tolist() == [[0, 1, 255], [255, 1, 0]]
    with pytest.raises(MaskError, match=r'holds colours, e\.g\..*say by --colours'):
        run(tool, tmp_path)


def test_palettes_in_any_order(tool, tmp_path):
    """Ids that are places in the palette of the file."""
    mask = Image.fromarray(np.array([[2, 0, 1]], np.uint8))
    mask.putpalette(COLOURS[[1, 2, 0]].tobytes())
    save(tmp_path / 'in' / 'sub' / 'a.png', mask)
    pairs = ('0,0,0=0', '255,0,0=1', '0,0,255=2')
    assert run(tool, tmp_path, '--colours', *pairs).tolist() == [[0, 1, 2]]


def test_grey_colours_are_ids(tool, tmp_path):
    save(tmp_path / 'in' / 'sub' / 'a.bmp', np.stack([IDS] * 3, -1))
    assert run(tool, tmp_path).tolist() == IDS.tolist()


def test_nothing_is_written_over(tool, tmp_path):
    save(tmp_path / 'in' / 'sub' / 'a.png', IDS)
    save(tmp_path / 'out' / 'sub' / 'a.png', IDS)
    with pytest.raises(OutputError, match='was not made by this tool'):
        run(tool, tmp_path)
    with pytest.raises(OutputError, match='OUT .* is .*, which is read'):
        tool.main([str(tmp_path / 'in')] * 2)
    save(tmp_path / 'in' / 'sub' / 'a.gif', Image.fromarray(IDS))
    with pytest.raises(OutputError, match=r'would both be written to sub/a\.png'):
        tool.main([str(tmp_path / 'in'), str(tmp_path / 'new')])


def test_out_inside_of_the_masks(tool, tmp_path):
    """It isn't read when the tool runs again."""
    save(tmp_path / 'in' / 'a.png', IDS)
    for _ in range(2):
        tool.main(
            [str(tmp_path / 'in'), str(tmp_path / 'in' / 'ids'), '--workers', '0']
        )
    assert [p.name for p in (tmp_path / 'in' / 'ids').glob('**/*.png')] == ['a.png']


def test_bad_input(tool, tmp_path):
    (tmp_path / 'in' / 'sub').mkdir(parents=True)
    with pytest.raises(UserError, match='holds no masks'):
        run(tool, tmp_path)
    (tmp_path / 'in' / 'sub' / 'a.png').write_bytes(b'no picture')
    with pytest.raises(MaskError, match=r'a\.png cannot be read'):
        run(tool, tmp_path)
    with pytest.raises(SystemExit):
        run(tool, tmp_path, '--other', '255')


@pytest.mark.parametrize(
    ('read', 'pair', 'match'),
    [
        (read_map, '255', "'255' names no id"),
        (read_map, 'a=1', 'no pair of ids'),
        (read_map, '1=256', 'whole numbers 0..255'),
        (read_colours, '1,2=3', 'no colour and id'),
        (read_colours, '1,2,300=3', 'no colour and id'),
        (read_colours, '#12345=3', 'no colour and id'),
    ],
)
def test_pairs(read, pair, match):
    with pytest.raises(UserError, match=match):
        read([pair])


def test_a_pair_twice():
    assert read_map(['1=2', '1=2']) == {1: 2}
    with pytest.raises(UserError, match='has two ids, 2 and 3'):
        read_map(['1=2', '1=3'])


def test_shapes_and_types():
    assert renamed(np.array([[True, False]]), {1: 4}).tolist() == [[4, 0]]
    assert renamed(IDS, {}).dtype == np.uint8
    got = ids_of_colours(np.zeros((2, 3, 3), np.uint8), {(0, 0, 0): 5})
    assert got.dtype == np.uint8 and got.tolist() == [[5] * 3] * 2
