# Licensed under Apache-2.0.
"""folder.py and new_config.py: what would be wrong without a word is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.own.picture_facts import find_rule, lone_value
from mmwsss.io.data_errors import LabelError, MaskError, PictureError
from mmwsss.io.errors import UserError
from mmwsss.io.pictures.levels import share_outside
from tests.helpers import ROOT

TOOLS = ROOT / 'tools'


@pytest.fixture
def run(load_tool):
    tool = load_tool(TOOLS / 'dataset_converters' / 'folder.py')
    return lambda *arguments: tool.main([str(part) for part in arguments])


def save(path: Path, pixels, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path, **options)
    return path


def photo(path: Path, size=(30, 40), **options) -> Path:
    rng = np.random.default_rng(len(str(path)))
    return save(path, rng.integers(0, 255, (*size, 3), dtype=np.uint8), **options)


def square(value: int = 255, size=(30, 40)) -> np.ndarray:
    pixels = np.zeros(size, np.uint8)
    pixels[4:9, 4:9] = value
    return pixels


@pytest.mark.parametrize('end', ['_mask', '_mask_1', '-Mask', ' gt', '_seg'])
def test_masks_beside_their_pictures_are_no_pictures(run, tmp_path, end) -> None:
    for name in ('good/1', 'bad/2', 'bad/3'):
        photo(tmp_path / 'in' / f'{name}.png')
    save(tmp_path / f'in/bad/2{end}.png', square())
    with pytest.raises(LabelError, match=f'1 masks beside their .*bad/2{end}.png'):
        run(tmp_path / 'in', '--out', tmp_path / 'mine')


def test_photos_that_are_called_as_masks_stay(run, tmp_path) -> None:
    for name in ('good/1', 'bad/2', 'bad/2_label'):
        photo(tmp_path / 'in' / f'{name}.png')
    run(tmp_path / 'in', '--out', tmp_path / 'mine')
    assert 'bad/2_label.png,bad' in (tmp_path / 'mine/labels.csv').read_text()


@pytest.mark.parametrize('names', [('2_mask', '2_mask_1'), ('3_mask', '2_mask_0')])
def test_two_masks_of_one_picture(run, tmp_path, names) -> None:
    for name in ('good/1', 'bad/2', 'bad/3'):
        photo(tmp_path / 'in' / f'{name}.png')
    for name in names:
        save(tmp_path / 'masks' / f'{name}.png', square())
    with pytest.raises(MaskError, match=f'{names[1]}.png is one of several masks'):
        run(tmp_path / 'in', '--masks', tmp_path / 'masks', '--out', tmp_path / 'mine')


def coco(root: Path, size: tuple[int, int], orientation: int) -> Path:
    """A COCO file of pictures with an EXIF orientation, 40 x 30 as stored."""
    exif = Image.Exif()
    exif[274] = orientation
    for name in ('a', 'b'):
        photo(root / 'images' / f'{name}.jpg', exif=exif)
    content = dict(
        images=[
            dict(id=i, file_name=f'{n}.jpg', width=size[0], height=size[1])
            for i, n in enumerate('ab')
        ],
        annotations=[
            dict(
                id=i, image_id=i, category_id=1, area=160, iscrowd=0,
                segmentation=[[2, 30, 22, 30, 22, 38, 2, 38]],
            )
            for i in range(2)
        ],
        categories=[dict(id=1, name='cat')],
    )  # fmt: skip
    (root / 'c.json').write_text(json.dumps(content))
    return root / 'c.json'


def test_polygons_on_the_upright_photo(run, tmp_path) -> None:
    file = coco(tmp_path, (30, 40), 6)
    given = (file, '--masks', 'coco', '--out')
    with pytest.raises(MaskError, match=r'c.json gives polygons.*--picture exif=turn'):
        run(*given, tmp_path / 'mine')
    run(*given, tmp_path / 'mine', '--picture', 'exif=turn')
    mask = np.asarray(Image.open(tmp_path / 'mine/masks/a.png'))
    assert mask.shape == (40, 30) and mask[30:38, 2:22].all() and mask.sum() == 160


def test_polygons_of_pictures_of_another_size(run, tmp_path) -> None:
    file = coco(tmp_path, (400, 300), 1)
    with pytest.raises(LabelError, match='is 400 x 300, and it is 40 x 30'):
        run(file, '--masks', 'coco', '--out', tmp_path / 'mine')


def test_a_file_of_labelme_that_names_another_picture(run, tmp_path) -> None:
    for name in ('a', 'b'):
        photo(tmp_path / 'in' / f'{name}.png')
        other = dict(a='b', b='a')[name]
        content = dict(
            shapes=[dict(label=name, points=[[1, 1], [5, 5]])],
            imagePath=f'..\\in\\{other}.png',
        )
        (tmp_path / f'in/{name}.json').write_text(json.dumps(content))
    with pytest.raises(LabelError, match="'b.png', and there is a picture 'a' too"):
        run(tmp_path / 'in', '--out', tmp_path / 'mine')
    for name in ('a', 'b'):  # renamed together
        file = tmp_path / f'in/{name}.json'
        file.write_text(file.read_text().replace('.png', '_old.png'))
    run(tmp_path / 'in', '--out', tmp_path / 'mine')
    assert (tmp_path / 'mine/labels.csv').read_text() == 'a.png,a\nb.png,b\n'


@pytest.mark.parametrize('given', ['0,255', '0,1'])
def test_a_range_of_other_pictures_would_make_them_white(run, tmp_path, given) -> None:
    for i in range(2):
        values = np.random.default_rng(i).integers(300, 4000, (30, 40))
        save(tmp_path / 'in' / f'c{i}' / f'{i}.png', values.astype(np.uint16))
    with pytest.raises(PictureError, match='16-bit values.*100% lie outside'):
        run(
            tmp_path / 'in', '--out', tmp_path / 'mine',
            '--picture', f'value_range={given}',
        )  # fmt: skip


def test_share_outside() -> None:
    values = np.array([[[0.0, 5], [3, np.nan]]])
    assert share_outside(values, [(1, 4)]) == 2 / 3
    assert share_outside(values, [(0, 3), (5, 6)]) == 0


def test_a_stack_of_pages_is_bands(tmp_path) -> None:
    tifffile = pytest.importorskip('tifffile')
    paths = [str(tmp_path / f'{i}.tif') for i in range(2)]
    for path in paths:
        pages = np.arange(5 * 30 * 40, dtype=np.uint16).reshape(5, 30, 40)
        tifffile.imwrite(path, pages, photometric='minisblack')
    found = find_rule(paths)
    assert found['bands'] == (0, 1, 2, 3, 4) and len(found['value_range']) == 5


def test_values_that_are_no_data(tmp_path, capsys) -> None:
    tifffile = pytest.importorskip('tifffile')
    values = np.arange(1200).reshape(30, 40).astype(np.int16)
    values[:8] = -9999
    tifffile.imwrite(tmp_path / 'a.tif', values)
    find_rule([str(tmp_path / 'a.tif')])
    assert '27% of its values are -9999' in capsys.readouterr().out
    tifffile.imwrite(tmp_path / 'b.tif', np.full((30, 40), np.nan, np.float32))
    with pytest.raises(PictureError, match='b.tif holds no number'):
        find_rule([str(tmp_path / 'b.tif')])


@pytest.mark.parametrize(
    'values', [[0, 0, 0, 2, 5, 9], [7, 7, 7], [np.nan], [0, 100, 200, 255, 255]]
)
def test_values_that_belong_to_the_others(values) -> None:
    assert lone_value(np.array(values, np.float64)) is None


def test_a_lone_value_at_the_upper_end() -> None:
    assert lone_value(np.array([65535, 65535, 3, 40])) == (0.5, 65535)


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        (('--batch-size', '0'), '--batch-size must be 1 or more, got 0'),
        (('--iters', '-1'), '--iters must be 1 or more, got -1'),
        (('--minutes', 'nan'), '--minutes must be above 0'),
        (('--minutes', '0'), '--minutes must be above 0'),
        (('--out', 'x.txt'), r'ends with .py, got x.txt'),
        (('--masks', 'm'), '--masks are what --method pseudo learns'),
    ],
)
def test_a_config_that_no_run_can_have(load_tool, given, said) -> None:
    tool = load_tool(TOOLS / 'misc' / 'new_config.py')
    with pytest.raises(UserError, match=said):
        tool.parse_args(['--data', 'none', *given])
