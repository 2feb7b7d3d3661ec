# Licensed under Apache-2.0.
"""tile.py: large pictures as tiles, masks of tiles as masks of pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.data_errors import MaskError
from mmwsss.io.errors import UserError
from mmwsss.io.pictures.reader import read_stored
from mmwsss.pipeline.tiles.tile_plan import TileCfg, tile_classes
from tests.helpers import ROOT
from tests.helpers.tiles import draw_tiles

FOLDER = ROOT / 'tools' / 'dataset_converters'


@pytest.fixture
def tool(load_tool):
    return lambda name, *a: load_tool(FOLDER / name).main([str(part) for part in a])


@pytest.fixture
def mine(tool, tmp_path) -> Path:
    """Two pictures of 60 x 100 and 64 x 64, with masks; the second without object."""
    root = tmp_path / 'own'
    for folder in ('images', 'masks'):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, size in (('a', (60, 100)), ('b', (64, 64))):
        pixels = rng.integers(0, 255, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(root / 'images' / f'{name}.png')
        mask = np.zeros(size, np.uint8)
        mask[10:20, 70:90] = name == 'a'
        Image.fromarray(mask).save(root / 'masks' / f'{name}.png')
    (root / 'labels.csv').write_text('a.png,cat\nb.png,background\n')
    tool('folder.py', root, '--masks', root / 'masks', '--out', tmp_path / 'mine',
         '--val', '0')  # fmt: skip
    return tmp_path / 'mine'


def labels(folder: Path) -> dict[str, str]:
    rows = (folder / 'labels.csv').read_text().splitlines()
    return dict(row.split(',') for row in rows)


def test_labels_from_masks(tool, mine, tmp_path) -> None:
    out = tmp_path / 'tiles'
    tool('tile.py', mine, '--out', out, '--size', 64, '--overlap', 0.25)
    assert labels(out) == {
        'a_y0_x0.png': 'background',
        'a_y0_x36.png': 'cat',
        'b_y0_x0.png': 'background',
    }
    whole = np.asarray(Image.open(mine / 'images' / 'a.png'))
    part = np.asarray(Image.open(out / 'images' / 'a_y0_x36.png'))
    np.testing.assert_array_equal(part, whole[:, 36:])
    assert (out / 'splits' / 'train.txt').read_text().split() == list(labels(out))
    stricter = tmp_path / 'stricter'
    tool('tile.py', mine, '--out', stricter, '--size', 64, '--min-pixels', 201)
    assert set(labels(stricter).values()) == {'background'}


def test_tiles_of_another_size_are_not_mixed(tool, mine, tmp_path) -> None:
    """Their names alone would let tiles of before pass for those of now."""
    out = tmp_path / 'tiles'
    tool('tile.py', mine, '--out', out, '--size', 64)
    written = (out / 'images' / 'a_y0_x0.png').stat().st_mtime_ns
    tool('tile.py', mine, '--out', out, '--size', 64)
    assert (out / 'images' / 'a_y0_x0.png').stat().st_mtime_ns == written
    with pytest.raises(UserError, match=r'other settings \(size: 64, now 32\)'):
        tool('tile.py', mine, '--out', out, '--size', 32)


def test_tiles_are_a_data_set(tool, mine, tmp_path, load_tool) -> None:
    out = tmp_path / 'tiles'
    tool('tile.py', mine, '--out', out, '--size', 32)
    from mmwsss.datasets.own.own_folder import open_split

    data = open_split(out, 'train', with_masks=True)
    assert len(data) == len(labels(out))
    assert {data.get_data_info(i)['gt_labels'] for i in range(len(data))} == {(), (0,)}


def test_masks_of_tiles_become_masks_of_pictures(tool, mine, tmp_path) -> None:
    out = tmp_path / 'tiles'
    tool('tile.py', mine, '--out', out, '--size', 32)
    tool('tile.py', out, '--stitch', out / 'masks', '--out', tmp_path / 'whole')
    for name in 'ab':
        np.testing.assert_array_equal(
            np.asarray(Image.open(tmp_path / 'whole' / f'{name}.png')),
            np.asarray(Image.open(mine / 'masks' / f'{name}.png')),
        )
    next((out / 'masks').glob('a_*')).unlink()
    with pytest.raises(MaskError, match='predict all tiles'):
        tool('tile.py', out, '--stitch', out / 'masks', '--out', tmp_path / 'again')


def test_the_middle_of_a_tile_counts_more_than_a_rim(tool, tmp_path) -> None:
    from mmwsss.pipeline.tiles.stitch_tiles import stitched

    for name, id_ in (('l', 1), ('r', 2)):
        Image.new('L', (8, 4), id_).save(tmp_path / f'{name}.png')
    entry = dict(size=[4, 12], tiles={'l.png': [0, 4, 0, 8], 'r.png': [0, 4, 4, 12]})
    row = [1] * 6 + [2] * 6
    assert stitched(entry, str(tmp_path)).tolist() == [row] * 4


def test_labels_of_the_picture_have_to_be_asked_for(tool, mine, tmp_path) -> None:
    import shutil

    shutil.rmtree(mine / 'masks')
    with pytest.raises(UserError, match='--labels picture'):
        tool('tile.py', mine, '--out', tmp_path / 'tiles', '--size', 32)
    out = tmp_path / 'tiles'
    tool('tile.py', mine, '--out', out, '--size', 32, '--labels', 'picture')
    assert {v for k, v in labels(out).items() if k[0] == 'a'} == {'cat'}


def test_any_folder_of_pictures_to_predict(tool, mine, tmp_path) -> None:
    out = tmp_path / 'tiles'
    tool('tile.py', mine / 'images', '--out', out, '--labels', 'none', '--size', 32)
    assert not (out / 'labels.csv').exists()
    assert set(json.loads((out / 'tiles.json').read_text())) == {'a.png', 'b.png'}


def test_depth_and_bands_are_kept(tool, tmp_path) -> None:
    root = draw_tiles(tmp_path / 'drawn', count=2)
    tool('folder.py', root, '--masks', root / 'masks', '--out', tmp_path / 'mine',
         '--val', '0')  # fmt: skip
    out = tmp_path / 'tiles'
    tool('tile.py', tmp_path / 'mine', '--out', out, '--size', 32, '--overlap', 0.5)
    whole = read_stored(tmp_path / 'mine' / 'images' / 't0.tif')
    part = read_stored(out / 'images' / 't0_y16_x16.tif')
    assert part.dtype == np.uint16 and part.shape == (32, 32, 5)
    np.testing.assert_array_equal(part, whole[16:, 16:])
    assert (out / 'picture.json').is_file()


def test_classes_of_a_tile() -> None:
    mask = np.array([[0, 1, 1, 2], [255, 255, 255, 0]])
    assert tile_classes(mask, 1) == (1, 2) and tile_classes(mask, 2) == (1,)


@pytest.mark.parametrize('wrong', [dict(size=8), dict(overlap=1), dict(labels='x')])
def test_refused(wrong) -> None:
    with pytest.raises(UserError):
        TileCfg(**wrong)
