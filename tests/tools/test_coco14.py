# Licensed under Apache-2.0.
"""The COCO converter, on drawn annotations and on real photos."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.coco14 import COCO14WeakDataset
from mmwsss.datasets.coco_masks import instance_mask
from mmwsss.io.data_errors import DataError

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'dataset_converters' / 'coco14.py'
PHOTOS = Path(
    os.environ.get('MMWSSS_TINY_COCO') or ROOT.parent / 'shared' / 'data' / 'tiny_coco'
)
NAMES = COCO14WeakDataset.METAINFO['classes'][1:]
IDS = [i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]


@pytest.fixture
def annotations(tmp_path):
    """Three images: two objects that overlap, one object, none."""
    (tmp_path / 'photos').mkdir()
    for name in 'zxy':
        Image.new('RGB', (10, 8)).save(tmp_path / 'photos' / f'{name}.jpg')
    square, everything = [2, 1, 6, 1, 6, 4, 2, 4], [0, 0, 10, 0, 10, 8, 0, 8]
    objects = [(1, 90, square, 12), (1, 1, everything, 80), (2, 10, square, 12)]
    content = dict(
        images=[
            dict(id=i, file_name=f'{name}.jpg', height=8, width=10)
            for i, name in enumerate('zxy', 1)
        ],
        annotations=[
            dict(id=k, image_id=i, category_id=c, segmentation=[p], area=a, iscrowd=0)
            for k, (i, c, p, a) in enumerate(objects)
        ],
        categories=[dict(id=i, name=name) for i, name in zip(IDS, NAMES)],
    )
    path = tmp_path / 'instances.json'
    path.write_text(json.dumps(content))
    return path


def convert(load_tool, path, out, **kwargs):
    return load_tool(TOOL).convert(
        str(path), str(path.parent / 'photos'), str(out), 'train', **kwargs
    )


def read(out, name):
    return np.asarray(Image.open(out / 'SegmentationClass' / 'photos' / f'{name}.png'))


def test_masks_and_labels(load_tool, annotations, tmp_path):
    out = tmp_path / 'out'
    path, masks, lines = convert(load_tool, annotations, out)
    assert (masks, lines) == (3, 2)
    assert Path(path).read_text() == 'x traffic_light\nz person toothbrush\n'
    mask = read(out, 'z')
    assert mask[2, 3] == 80
    assert (mask == 1).sum() == 80 - 12
    assert (out / 'photos' / 'z.jpg').is_file()
    path, _, lines = convert(load_tool, annotations, out, keep_empty=True)
    assert lines == 3
    assert 'y background\n' in Path(path).read_text()


def test_resumes_and_is_deterministic(load_tool, annotations, tmp_path):
    out, other = tmp_path / 'out', tmp_path / 'other'
    convert(load_tool, annotations, out)
    convert(load_tool, annotations, other, copy_images=True)
    masks = sorted((out / 'SegmentationClass' / 'photos').iterdir())
    first = {file.name: file.read_bytes() for file in masks}
    assert first == {
        name: (other / 'SegmentationClass' / 'photos' / name).read_bytes()
        for name in first
    }
    masks[0].unlink()
    masks[1].write_bytes(masks[1].read_bytes()[:30])  # torn
    stamp = masks[2].stat().st_mtime_ns
    path, *_ = convert(load_tool, annotations, out)
    assert {file.name: file.read_bytes() for file in masks} == first
    assert masks[2].stat().st_mtime_ns == stamp
    assert Path(path).read_text() == (other / 'splits' / 'train.txt').read_text()
    convert(load_tool, annotations, out, overwrite=True)
    assert masks[2].stat().st_mtime_ns != stamp


def test_bad_input(load_tool, annotations, tmp_path):
    (tmp_path / 'photos' / 'x.jpg').unlink()
    with pytest.raises(DataError, match=r'x\.jpg is not there: 1 of .* images is'):
        convert(load_tool, annotations, tmp_path / 'out')
    content = json.loads(annotations.read_text())
    content['categories'].pop()
    annotations.write_text(json.dumps(content))
    with pytest.raises(DataError, match='not the 80 of COCO'):
        convert(load_tool, annotations, tmp_path / 'out')
    annotations.write_text('{}')
    with pytest.raises(DataError, match='no COCO instances file'):
        convert(load_tool, annotations, tmp_path / 'out')


@pytest.mark.parametrize(
    'text',
    [
        '[]',
        '3',
        '{"images": [{}], "annotations": [3], "categories": [{"id": 1}]}',
        '{"images": [], "annotations": [{}], "categories": "abc"}',
    ],
)
def test_other_content_is_refused(load_tool, tmp_path, text):
    (tmp_path / 'instances.json').write_text(text)
    with pytest.raises(DataError, match=r'instances\.json is no COCO instances file'):
        convert(load_tool, tmp_path / 'instances.json', tmp_path / 'out')


@pytest.mark.parametrize('suffix', ['pkl', 'yaml'])
def test_annotations_run_no_code(load_tool, tmp_path, suffix):
    """What they are is said by the content; mmengine's ``load`` goes by the suffix."""
    ran, path = tmp_path / 'ran', tmp_path / f'instances.{suffix}'
    code = (
        f'cos\nmkdir\n(V{ran}\ntR.'
        if suffix == 'pkl'
        else (f'!!python/object/apply:os.mkdir ["{ran}"]')
    )
    path.write_text(code)
    with pytest.raises(DataError):
        convert(load_tool, path, tmp_path / 'out')
    assert not ran.exists()


@pytest.mark.parametrize(
    'segmentation', [3, [[1, 2]], [[float('nan')] * 6], {'size': [8, 10]}, [['a'] * 6]]
)
def test_a_broken_annotation_is_named(load_tool, annotations, tmp_path, segmentation):
    content = json.loads(annotations.read_text())
    content['annotations'][2]['segmentation'] = segmentation
    annotations.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r'x\.jpg has a broken annotation'):
        convert(load_tool, annotations, tmp_path / 'out')


def test_copies_that_a_kill_left_out_are_made_up_for(
    load_tool, annotations, tmp_path, monkeypatch
):
    out = tmp_path / 'out'
    convert(load_tool, annotations, out, copy_images=True)
    photos = {f.name: f.read_bytes() for f in (tmp_path / 'photos').iterdir()}
    (out / 'photos' / 'x.jpg').unlink()
    (out / 'photos' / 'y.jpg').write_bytes(photos['y.jpg'][:100])
    convert(load_tool, annotations, out, copy_images=True)
    assert {f.name: f.read_bytes() for f in (out / 'photos').iterdir()} == photos
    assert not any(f.is_symlink() for f in (out / 'photos').iterdir())


@pytest.fixture
def photos():
    if not (PHOTOS / 'annotations').is_dir():
        pytest.skip(
            f'no photos of COCO in {PHOTOS}; set MMWSSS_TINY_COCO to a folder '
            'with train2017, val2017 and annotations'
        )
    return PHOTOS


def run(photos, split, out, *more):
    command = [
        sys.executable,
        str(TOOL),
        '--split',
        split,
        '--out',
        str(out),
        '--workers',
        '2',
        '--images',
        str(photos / f'{split}2017'),
        '--annotations',
        str(photos / 'annotations' / f'instances_{split}2017.json'),
        *more,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=out.parent)
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def test_real_photos(photos, tmp_path):
    """50 + 50 photos, from the command line, then read as a data set."""
    out = tmp_path / 'coco'
    for split in ('train', 'val'):
        run(photos, split, out, '--keep-empty')
        dataset = COCO14WeakDataset(
            split=split,
            year=2017,
            data_root=str(out),
            test_mode=True,
            check_samples=5,
            pipeline=[
                dict(type='LoadPicture'),
                dict(type='LoadMask'),
                dict(type='PackWeakInputs'),
            ],
        )
        assert len(dataset) == 50
        for i in range(0, 50, 7):
            sample = dataset[i]['data_samples']
            present = set(sample.gt_sem_seg.data.unique().tolist()) - {0}
            assert {c + 1 for c in sample.gt_labels} == present


def test_real_areas_are_those_of_the_annotations(photos):
    """COCO's own count of the pixels of an object, within its rounding."""
    content = json.loads(
        (photos / 'annotations' / 'instances_val2017.json').read_text()
    )
    sizes = {item['id']: (item['height'], item['width']) for item in content['images']}
    close = [
        instance_mask(item['segmentation'], sizes[item['image_id']]).sum()
        == pytest.approx(item['area'], rel=0.05, abs=20)
        for item in content['annotations']
        if not item['iscrowd']
    ]
    assert len(close) > 300
    assert np.mean(close) > 0.97
