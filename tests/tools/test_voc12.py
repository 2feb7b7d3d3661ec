# Licensed under Apache-2.0.
"""The VOC converter, on a small copy of the layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.data_errors import DataError

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters' / 'voc12.py'
SPLITS = {
    'train': {'a': 'cat'},
    'val': {'b': 'dog'},
    'train_aug': {'a': 'cat', 'c': 'person bicycle'},
}
XML = '<annotation>{}</annotation>'
OBJECT = '<object><name>{}</name><difficult>1</difficult></object>'


@pytest.fixture
def tool(load_tool):
    return load_tool(TOOL)


@pytest.fixture
def voc(tmp_path):
    """VOC2012, SBD and lists: a and b with VOC masks, c with SBD's alone."""
    savemat = pytest.importorskip('scipy.io').savemat
    root = tmp_path / 'VOC2012'
    for folder in ('JPEGImages', 'Annotations', 'SegmentationClass'):
        (root / folder).mkdir(parents=True)
    cls = tmp_path / 'sbd' / 'dataset' / 'cls'
    cls.mkdir(parents=True)
    lists = tmp_path / 'lists'
    lists.mkdir()
    for split, labels in SPLITS.items():
        (lists / f'{split}.txt').write_text(
            ''.join(f'{name} {names}\n' for name, names in labels.items())
        )
        for name, names in labels.items():
            Image.new('RGB', (10, 8)).save(root / 'JPEGImages' / f'{name}.jpg')
            (root / 'Annotations' / f'{name}.xml').write_text(
                XML.format(''.join(map(OBJECT.format, names.split())))
            )
            mask = np.full((8, 10), 15 if name == 'c' else 8, np.uint8)
            savemat(cls / f'{name}.mat', {'GTcls': {'Segmentation': mask}})
    for name in 'ab':
        mask = Image.fromarray(np.full((8, 10), 255, np.uint8))
        mask.putpalette([0] * 768)
        mask.save(root / 'SegmentationClass' / f'{name}.png')
    return root


def run(tool, monkeypatch, voc, *more):
    monkeypatch.setattr(
        'sys.argv',
        [
            'voc12.py',
            str(voc),
            '--splits',
            str(voc.parent / 'lists'),
            '--workers',
            '1',
            *more,
        ],
    )
    tool.main()


def test_labels_from_xml(tool, voc, monkeypatch):
    run(tool, monkeypatch, voc)
    assert (voc / 'WeakLabels' / 'train_aug.txt').read_text() == (
        'a cat\nc bicycle person\n'
    )
    names = tool.split_names(voc.parent / 'lists')
    assert tool.write_xml_labels(voc, names, voc.parent / 'lists') == 0
    (voc / 'Annotations' / 'a.xml').write_text(XML.format(OBJECT.format('dog')))
    assert tool.write_xml_labels(voc, names, voc.parent / 'lists') == 1


def test_merged_masks(tool, voc, monkeypatch):
    sbd = voc.parent / 'sbd'
    run(tool, monkeypatch, voc, '--sbd', str(sbd))
    out = voc / 'SegmentationClassAug'
    values = {file.stem: np.unique(Image.open(file)).tolist() for file in out.iterdir()}
    assert values == {'a': [255], 'b': [255], 'c': [15]}
    names = tool.split_names(voc.parent / 'lists')
    assert tool.merge_sbd(voc, sbd, names, 1) == 0  # resumed: all there
    (out / 'c.png').unlink()
    (sbd / 'dataset' / 'cls' / 'c.mat').write_bytes(b'torn')
    with pytest.raises(DataError, match=r'c\.mat is no SBD class mask'):
        tool.merge_sbd(voc, sbd, names, 1)


def test_incomplete_devkit(tool, voc, monkeypatch):
    (voc / 'Annotations' / 'c.xml').unlink()
    with pytest.raises(DataError, match=r'c\.xml is not there: 1 of .*Fix'):
        run(tool, monkeypatch, voc)


def test_unknown_class(tool, voc, monkeypatch):
    (voc / 'Annotations' / 'a.xml').write_text(XML.format(OBJECT.format('wolf')))
    with pytest.raises(DataError, match="unknown class 'wolf'"):
        run(tool, monkeypatch, voc)


def test_shipped_lists_are_the_default(tool):
    names = tool.split_names()
    assert {split: len(items) for split, items in names.items()} == dict(
        train=1464, train_aug=10582, val=1449
    )
