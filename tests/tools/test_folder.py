# Licensed under Apache-2.0.
"""folder.py: labels and pictures of any form become one checked folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets import FolderWeakDataset
from mmwsss.io.data_errors import LabelError, MaskError, UnreadableImageError
from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import OutputError
from tests.helpers import ROOT
from tests.helpers.own_data import draw_parts

FOLDER = ROOT / 'tools' / 'dataset_converters'


@pytest.fixture
def run(load_tool):
    tool = load_tool(FOLDER / 'folder.py')
    return lambda *arguments: tool.main([str(part) for part in arguments])


@pytest.fixture(scope='module')
def parts(tmp_path_factory) -> Path:
    return draw_parts(tmp_path_factory.mktemp('drawn'))


def photos(root: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (40, 30), (i, 0, 0)).save(root / name)
    return root


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_good_and_bad(run, parts, tmp_path) -> None:
    out = tmp_path / 'mine'
    run(parts / 'parts', '--masks', parts / 'masks', '--out', out, '--val', '0.33')
    assert lines(out / 'classes.txt') == ['bad']
    labels = lines(out / 'labels.csv')
    assert 'bad/part 0.png,bad' in labels and 'good/part 6.png,background' in labels
    assert len(labels) == 12
    link = out / 'images' / 'bad' / 'part 0.png'
    assert link.is_symlink() and link.resolve() == parts / 'parts/bad/part 0.png'
    train, val = (lines(out / 'splits' / f'{s}.txt') for s in ('train', 'val'))
    assert [sum('bad' in n for n in names) for names in (train, val)] == [4, 2]
    assert len(val) == 4
    mask = np.asarray(Image.open(out / 'masks' / 'bad' / 'part 0.png'))
    assert np.unique(mask).tolist() == [0, 1] and mask.sum() == 6 * 24
    blank = np.asarray(Image.open(out / 'masks' / 'good' / 'part 6.png'))
    assert blank.shape == (96, 128) and not blank.any()
    assert not (out / 'picture.json').exists()


def test_run_again_and_with_other_settings(run, parts, tmp_path) -> None:
    out = tmp_path / 'mine'
    run(parts / 'parts', '--out', out)
    before = {p: p.lstat().st_mtime_ns for p in (out / 'images').rglob('*.png')}
    (out / 'images' / 'bad' / 'part 1.png').unlink()
    run(parts / 'parts', '--out', out)
    after = {p: p.lstat().st_mtime_ns for p in (out / 'images').rglob('*.png')}
    assert before.keys() == after.keys()
    assert sum(before[p] != after[p] for p in before) == 1
    with pytest.raises(UserError, match=r'made with other settings \(val: None, now 0'):
        run(parts / 'parts', '--out', out, '--val', '0.2')


def test_nothing_foreign_is_written_over(run, parts, tmp_path) -> None:
    (tmp_path / 'classes.txt').write_text('mine\n')
    with pytest.raises(OutputError, match='classes.txt is there'):
        run(parts / 'parts', '--out', tmp_path)
    assert (tmp_path / 'classes.txt').read_text() == 'mine\n'
    (tmp_path / 'new').mkdir()
    (tmp_path / 'new' / 'settings.json').write_text('[1]')
    with pytest.raises(OutputError, match=r'settings\.json is there and was not made'):
        run(parts / 'parts', '--out', tmp_path / 'new')
    with pytest.raises(UserError, match='whose folders are read as classes'):
        run(parts / 'parts', '--out', parts / 'parts' / 'mine')


def test_without_masks_all_pictures_are_trained_on(run, parts, tmp_path) -> None:
    run(parts / 'parts', '--out', tmp_path / 'mine', '--copy')
    assert [p.name for p in (tmp_path / 'mine' / 'splits').iterdir()] == ['train.txt']
    assert not any(p.is_symlink() for p in (tmp_path / 'mine' / 'images').rglob('*'))


def test_masks_inside_the_source_are_no_class(run, tmp_path) -> None:
    root = draw_parts(tmp_path / 'drawn')
    (root / 'masks').rename(root / 'parts' / 'masks')
    inner = root / 'parts' / 'masks'
    run(root / 'parts', '--masks', inner, '--out', tmp_path / 'mine')
    assert lines(tmp_path / 'mine' / 'classes.txt') == ['bad']


def test_given_splits_are_kept(run, tmp_path) -> None:
    root = photos(
        tmp_path / 'own', 'train/cat/1.jpg', 'train/dog/2.jpg', 'valid/cat/1.jpg'
    )
    run(root, '--out', tmp_path / 'mine')
    split = tmp_path / 'mine' / 'splits'
    assert lines(split / 'train.txt') == ['train/cat/1.jpg', 'train/dog/2.jpg']
    assert lines(split / 'val.txt') == ['val/cat/1.jpg']
    run(root, '--out', tmp_path / 'other', '--resplit')
    assert len(lines(tmp_path / 'other' / 'splits' / 'train.txt')) == 3


def test_given_lists_are_kept(run, tmp_path) -> None:
    root = photos(tmp_path / 'own', 'images/a.jpg', 'images/b c.jpg')
    (root / 'labels.csv').write_text('a.jpg,cat\n"b c.jpg",dog\n')
    (root / 'train.txt').write_text('a\n')
    (root / 'val.txt').write_text('b c\n')
    run(root, '--out', tmp_path / 'mine')
    assert lines(tmp_path / 'mine' / 'splits' / 'val.txt') == ['b c.jpg']
    (root / 'val.txt').write_text('a\n')
    with pytest.raises(LabelError, match="'a', which is in two lists"):
        run(root, '--out', tmp_path / 'other')


def coco(path: Path, names: list[str]) -> None:
    content = dict(
        images=[dict(id=i, file_name=n) for i, n in enumerate(names)],
        annotations=[dict(image_id=i, category_id=1) for i in range(len(names))],
        categories=[dict(id=1, name='a b'), dict(id=2, name='c')],
    )
    path.write_text(json.dumps(content))


def test_two_files_of_coco(run, tmp_path) -> None:
    root = photos(tmp_path, 'x/1.jpg', 'x/2.jpg', 'y/1.jpg')
    coco(root / 'one.json', ['1.jpg', '2.jpg'])
    coco(root / 'two.json', ['1.jpg'])
    run(f'train={root}/one.json', f'val={root}/two.json', '--images',
        f'train={root}/x', f'val={root}/y', '--out', root / 'mine')  # fmt: skip
    assert lines(root / 'mine' / 'labels.csv') == [
        'train/1.jpg,a b', 'train/2.jpg,a b', 'val/1.jpg,a b'
    ]  # fmt: skip
    data = FolderWeakDataset('labels.csv', str(root / 'mine'))
    assert data.metainfo['classes'] == ('background', 'a b') and len(data) == 3


def test_masks_drawn_from_polygons(run, tmp_path) -> None:
    root = photos(tmp_path, 'x/1.jpg', 'x/2.jpg')
    coco(root / 'one.json', ['1.jpg', '2.jpg'])
    with pytest.raises(LabelError, match='with segmentations'):
        run(root / 'one.json', '--images', root / 'x', '--masks', 'coco', '--out',
            root / 'mine')  # fmt: skip
    content = json.loads((root / 'one.json').read_text())
    content['images'] = [dict(i, height=30, width=40) for i in content['images']]
    content['annotations'] = [
        dict(image_id=0, category_id=2, id=7, area=100, iscrowd=0,
             segmentation=[[10, 10, 20, 10, 20, 20, 10, 20]])
    ]  # fmt: skip
    (root / 'one.json').write_text(json.dumps(content))
    run(root / 'one.json', '--images', root / 'x', '--masks', 'coco', '--out',
        root / 'other')  # fmt: skip
    mask = np.asarray(Image.open(root / 'other' / 'masks' / '1.png'))
    assert mask.shape == (30, 40) and mask[15, 15] == 1 and mask[5, 5] == 0
    assert not np.asarray(Image.open(root / 'other' / 'masks' / '2.png')).any()
    assert not (root / 'other' / 'masks' / '1.png').is_symlink()


def test_classes_in_the_order_of_masks(run, tmp_path) -> None:
    root = photos(
        tmp_path / 'own', *(f'{c}/{c}{i}.png' for c in 'ab' for i in range(3))
    )
    masks = tmp_path / 'masks'
    masks.mkdir()
    for i in range(3):
        for id_, name in ((2, 'a'), (1, 'b')):
            pixels = np.zeros((30, 40), np.uint8)
            pixels[:5] = id_
            Image.fromarray(pixels).save(masks / f'{name}{i}.png')
    with pytest.raises(MaskError, match='--classes'):
        run(root, '--masks', masks, '--out', tmp_path / 'mine')
    run(root, '--masks', masks, '--out', tmp_path / 'other', '--classes', 'b', 'a')
    assert lines(tmp_path / 'other' / 'classes.txt') == ['b', 'a']
    assert (tmp_path / 'other' / 'masks' / 'a' / 'a0.png').is_symlink()


def test_unlabelled_pictures(run, tmp_path) -> None:
    root = photos(tmp_path / 'own', 'a.jpg', 'b.jpg', 'c.jpg')
    (root / 'labels.json').write_text('{"a.jpg": ["x"], "b.jpg": null, "c.jpg": []}')
    with pytest.raises(LabelError, match='no class for 1 of 3'):
        run(root, '--out', tmp_path / 'mine')
    run(root, '--out', tmp_path / 'mine', '--unlabelled', 'leave-out')
    assert len(lines(tmp_path / 'mine' / 'labels.csv')) == 2
    run(root, '--out', tmp_path / 'other', '--unlabelled', 'empty')
    assert 'b.jpg,background' in lines(tmp_path / 'other' / 'labels.csv')


def test_other_negatives(run, tmp_path) -> None:
    root = photos(tmp_path / 'own', 'ok/1.jpg', 'scratch/2.jpg')
    run(root, '--out', tmp_path / 'mine', '--negatives', 'ok')
    assert lines(tmp_path / 'mine' / 'classes.txt') == ['scratch']
    only = photos(tmp_path / 'only', 'good/1.jpg')
    with pytest.raises(UserError, match="names no class, only \\['good'\\]"):
        run(only, '--out', tmp_path / 'other')


def test_a_row_of_many_classes(run, tmp_path) -> None:
    root = photos(tmp_path / 'own', 'a+b+c+d/1.jpg')
    run(root, '--out', tmp_path / 'mine')
    data = FolderWeakDataset('labels.csv', str(tmp_path / 'mine'))
    assert data.get_data_info(0)['gt_labels'] == (0, 1, 2, 3)


def drawn_masks(root: Path, names: dict[str, int], size=(40, 30)) -> Path:
    for name, i in names.items():
        mask = np.zeros((size[1], size[0]), np.uint8)
        mask[5:15, 5:20] = i
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(root / name)
    return root


def test_what_can_not_be_opened_is_left_out_and_told(run, tmp_path, capsys) -> None:
    root = photos(tmp_path / 'in', 'cat/a.png', 'cat/b.png', 'dog/c.png', 'dog/d.png')
    (root / 'cat/b.png').write_bytes(b'')
    (root / 'train.txt').write_text('cat/a\ncat/b\ndog/c\n')
    (root / 'val.txt').write_text('dog/d\n')
    run(root, '--out', tmp_path / 'mine')
    assert lines(tmp_path / 'mine/splits/train.txt') == ['cat/a.png', 'dog/c.png']
    said = capsys.readouterr()
    assert 'left out: first' in said.out + said.err
    assert 'cat/b.png' not in (tmp_path / 'mine/labels.csv').read_text()
    for name in ('cat/a.png', 'dog/c.png', 'dog/d.png'):
        (root / name).write_bytes(b'')
    with pytest.raises(UnreadableImageError, match='0 bytes'):
        run(root, '--out', tmp_path / 'other')


def test_each_mask_has_the_size_of_its_picture(run, tmp_path) -> None:
    root = photos(tmp_path / 'in', *(f'{c}/{c}{i}.png' for c in 'ab' for i in range(5)))
    ids = {f'{c}/{c}{i}.png': k for k, c in enumerate('ab', 1) for i in range(5)}
    masks = drawn_masks(tmp_path / 'masks', ids)
    drawn_masks(masks, {'b/b3.png': 2}, size=(30, 40))
    with pytest.raises(
        MaskError, match='b3.png is 40x30 but its image .*b3.png is 30x40 .* 1 of 10 ma'
    ):
        run(root, '--masks', masks, '--out', tmp_path / 'mine')
    assert not (tmp_path / 'mine').exists()
    (masks / 'b/b3.png').write_bytes(b'')
    with pytest.raises(MaskError, match='b3.png cannot be read'):
        run(root, '--masks', masks, '--out', tmp_path / 'mine')
    (masks / 'b/b3.png').write_bytes(b'version https://git-lfs.github.com/spec/v1\n')
    with pytest.raises(MaskError, match='b3.png cannot be read .*git-lfs.*git lfs pul'):
        run(root, '--masks', masks, '--out', tmp_path / 'mine')


def test_masks_of_photos_that_are_turned(run, tmp_path) -> None:
    """The option that reads the photos as the masks lie is named."""
    root, exif = photos(tmp_path / 'in', 'a/a.jpg', 'b/b.jpg'), Image.Exif()
    exif[0x0112] = 6
    for name in ('a/a.jpg', 'b/b.jpg'):
        Image.open(root / name).save(root / name, exif=exif)
    masks = drawn_masks(tmp_path / 'masks', {'a/a.png': 1, 'b/b.png': 2})
    with pytest.raises(MaskError, match='a.png is 30x40 .* 2 of 2 .*--picture exif=ig'):
        run(root, '--masks', masks, '--out', tmp_path / 'mine')
    given = ('--masks', masks, '--picture', 'exif=ignore', '--out', tmp_path / 'mine')
    run(root, *given)
    assert (tmp_path / 'mine/labels.csv').is_file()


def test_masks_of_another_format_and_of_no_picture(run, tmp_path, capsys) -> None:
    root = photos(tmp_path / 'in', 'a/1.png', 'a/2.png', 'b/3.png', 'b/4.png')
    jpegs = drawn_masks(tmp_path / 'jpegs', {'a/1.jpg': 1})
    with pytest.raises(MaskError, match='but 1 .jpg.*JPEG, which blurs ids'):
        run(root, '--masks', jpegs, '--out', tmp_path / 'mine')
    ids = {'a/1.png': 1, 'a/2.png': 1, 'b/3.png': 2, 'b/4.png': 2, 'c/5.png': 1}
    masks = drawn_masks(tmp_path / 'masks', ids)
    run(root, '--masks', masks, '--out', tmp_path / 'mine')
    said = capsys.readouterr()
    assert '1 files of' in said.out + said.err


@pytest.mark.parametrize('pair', [('cat', 'Cat'), ('red fox', 'red_fox')])
def test_labels_that_differ_in_capitals_alone(run, tmp_path, pair) -> None:
    root = photos(tmp_path / 'in', f'{pair[0]}/1.png', f'{pair[1]}/2.png')
    with pytest.raises(UserError, match='look like one class'):
        run(root, '--out', tmp_path / 'mine')
    run(root, '--out', tmp_path / 'mine', '--classes', 'cat', 'Cat', 'red fox', 'x')


def test_numbers_of_classes_stand_by_their_size(run, tmp_path) -> None:
    root = photos(tmp_path / 'in', '3/a.png', '12/b.png', '0/c.png')
    run(root, '--out', tmp_path / 'mine')
    assert lines(tmp_path / 'mine/classes.txt') == ['0', '3', '12']


def test_more_classes_than_masks_have_ids(run, tmp_path) -> None:
    root = photos(tmp_path / 'in', *(f'c{i:03d}/{i}.png' for i in range(255)))
    with pytest.raises(UserError, match='255 classes .* room for 254'):
        run(root, '--out', tmp_path / 'mine')
    assert not (tmp_path / 'mine').exists()
