# Licensed under Apache-2.0.
"""The converter of VOC Animals, on a small copy of VOC's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.voc_animals import SPLITS, VOCAnimalsDataset
from mmwsss.io.data_errors import DataError

FOLDER = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters'
LISTS = {'train': {'a': 'cat', 'b': 'dog person'}, 'val': {'c': 'sheep'}}
#: VOC's ids of cat, dog, person, sheep and of two others, border
VOC_IDS = (0, 8, 12, 15, 17, 3, 20, 255)
HERE = (0, 1, 3, 5, 6, 255, 255, 255)


@pytest.fixture
def tool(load_tool):
    return load_tool(FOLDER / 'voc_animals.py')


@pytest.fixture
def voc(tmp_path):
    """VOC2012 with the masks of b and c; a has none."""
    root = tmp_path / 'VOC2012'
    for folder in ('JPEGImages', 'SegmentationClass'):
        (root / folder).mkdir(parents=True)
    (tmp_path / 'lists').mkdir()
    for split, labels in LISTS.items():
        lines = ''.join(f'{name} {names}\n' for name, names in labels.items())
        (tmp_path / 'lists' / f'{split}.txt').write_text(lines)
        for name in labels:
            photo = root / 'JPEGImages' / f'{name}.jpg'
            Image.new('RGB', (480, 360), (90, 60, 30)).save(photo)
    stripes = np.repeat(np.array(VOC_IDS, np.uint8), 60)[None].repeat(360, 0)
    for name in 'bc':
        Image.fromarray(stripes).save(root / 'SegmentationClass' / f'{name}.png')
    return root


def run(tool, monkeypatch, voc, *more):
    out = voc.parent / 'animals'
    lists = voc.parent / 'lists'
    argv = ['voc_animals.py', voc, '--out', out, '--splits', lists, '--workers', '1']
    monkeypatch.setattr('sys.argv', [*map(str, argv), *more])
    tool.main()
    return out


def test_photos_masks_and_lists(tool, monkeypatch, voc):
    out = run(tool, monkeypatch, voc)
    with Image.open(out / 'images' / 'a.jpg') as photo:
        assert photo.size == (320, 240) and photo.format == 'JPEG'
    with Image.open(out / 'masks' / 'c.png') as picture:
        assert picture.mode == 'P'
        mask = np.asarray(picture)
    expected = np.repeat(np.array(HERE, np.uint8), 40)[None].repeat(240, 0)
    assert np.array_equal(mask, expected)
    assert not (out / 'masks' / 'a.png').exists()
    assert (out / 'train.txt').read_text() == 'a cat\nb dog person\n'
    assert (out / 'classes.txt').read_text().split() == list(tool.CLASSES[1:])


def test_says_which_split_lacks_masks(tool, monkeypatch, voc, capsys):
    run(tool, monkeypatch, voc)
    said = capsys.readouterr().out
    assert 'train: 2 photos, 1 with masks' in said
    assert 'train has 1 photos without a mask: ' in said and 'voc12.py --sbd' in said
    assert 'val has' not in said


def test_merged_masks_come_first(tool, monkeypatch, voc):
    (voc / 'SegmentationClassAug').mkdir()
    mask = Image.fromarray(np.full((360, 480), 13, np.uint8))  # horse
    mask.save(voc / 'SegmentationClassAug' / 'b.png')
    out = run(tool, monkeypatch, voc)
    assert np.unique(np.asarray(Image.open(out / 'masks' / 'b.png'))).tolist() == [4]


def test_resumes_and_makes_cut_files_anew(tool, monkeypatch, voc):
    out = run(tool, monkeypatch, voc)
    kept, cut = out / 'images' / 'a.jpg', out / 'images' / 'b.jpg'
    before, content = kept.stat().st_mtime_ns, cut.read_bytes()
    cut.write_bytes(content[:100])
    run(tool, monkeypatch, voc)
    assert kept.stat().st_mtime_ns == before and cut.read_bytes() == content


def test_missing_photo_is_named(tool, monkeypatch, voc):
    (voc / 'JPEGImages' / 'b.jpg').unlink()
    with pytest.raises(DataError, match=r'b\.jpg.*missing.*unpack VOCtrainval'):
        run(tool, monkeypatch, voc)


def test_broken_photo_and_mask_of_another_size(tool, monkeypatch, voc):
    Image.new('L', (10, 10)).save(voc / 'SegmentationClass' / 'c.png')
    with pytest.raises(DataError, match=r'c\.png.*has not the size of'):
        run(tool, monkeypatch, voc)
    (voc / 'JPEGImages' / 'c.jpg').write_bytes(b'no photo')
    (voc.parent / 'animals' / 'images' / 'c.jpg').unlink()
    with pytest.raises(DataError, match=r'c\.jpg.*can not be read'):
        run(tool, monkeypatch, voc)


def lines(split: str) -> list[str]:
    return (SPLITS / f'{split}.txt').read_text().splitlines()


def test_shipped_lists():
    """Facts of the lists: sizes, the tuning photos are parts of train."""
    sizes = {split: len(lines(split)) for split in ('train', 'val', 'fit', 'tune')}
    assert sizes == dict(train=2651, val=200, fit=2351, tune=300)
    assert sorted(lines('fit') + lines('tune')) == lines('train')
    known = set(VOCAnimalsDataset.METAINFO['classes'][1:])
    for line in lines('train') + lines('val'):
        labels = set(line.split()[1:])
        assert labels and labels <= known and labels != {'person'}


def test_labels_are_those_of_voc():
    voc = {}
    for split in ('train_aug', 'val'):
        file = SPLITS.parent / 'voc12' / f'{split}.txt'
        for line in file.read_text().splitlines():
            name, *classes = line.split()
            voc[name] = set(classes)
    for line in lines('train') + lines('val'):
        name, *classes = line.split()
        assert set(classes) == voc[name]


def test_unknown_split():
    with pytest.raises(
        ValueError, match=r"split='test' is unknown; use one of \['fit'"
    ):
        VOCAnimalsDataset(split='test')
