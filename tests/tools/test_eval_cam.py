# Licensed under Apache-2.0.
"""The command line that scores CAMs and masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.data_errors import MaskError
from mmwsss.io.label_png import save_label_png
from mmwsss.io.score_files import save_scores
from mmwsss.pipeline.manifest import write_manifest

ROOT = Path(__file__).parents[2]
SIZE = (20, 24)
CLASSES = ('background', 'stripes', 'dots')


@pytest.fixture
def tool(load_tool):
    return load_tool(ROOT / 'tools' / 'eval_cam.py')


@pytest.fixture
def place(tmp_path) -> Path:
    """A data set in the layout of Shapes, CAMs and masks that equal its truth."""
    data, random = tmp_path / 'data', np.random.RandomState(0)
    (data / 'JPEGImages').mkdir(parents=True)
    (data / 'splits').mkdir()
    (data / 'classes.txt').write_text('stripes\ndots\n')
    lines = []
    for i, name in enumerate(('a', 'b')):
        truth = np.zeros(SIZE, np.uint8)
        truth[3 + i : 15, 4 : 17 - i] = 1 + i
        save_label_png(truth, data / 'SegmentationClass' / f'{name}.png')
        save_label_png(truth, tmp_path / 'out' / 'mask' / f'{name}.png')
        score = np.where(truth > 0, 0.8, 0.3) + 0.1 * random.rand(*SIZE)
        save_scores(
            tmp_path / 'out' / 'cam' / f'{name}.npz', score[None], [1 + i], SIZE
        )
        Image.new('RGB', SIZE[::-1]).save(data / 'JPEGImages' / f'{name}.jpg')
        lines.append(f'{name} {CLASSES[1 + i]}')
    (data / 'splits' / 'train.txt').write_text('\n'.join(lines) + '\n')
    (data / 'splits' / 'one.txt').write_text(lines[0] + '\n')
    write_manifest(tmp_path / 'out', dict(settings={}, classes=CLASSES))
    (tmp_path / 'config.py').write_text(
        "train_dataloader = dict(dataset=dict(type='ShapesDataset', split='train', "
        f'data_root={str(data)!r}))\n'
    )
    return tmp_path


def test_cams(tool, place) -> None:
    found = tool.main(
        [
            str(place / 'out'),
            '--ann-dir',
            str(place / 'data' / 'SegmentationClass'),
            '--erode',
            '--thresholds',
            '0.1:0.9:0.1',
            '--out',
            str(place / 'm.json'),
            '--workers',
            '1',
        ]
    )
    assert found == json.loads((place / 'm.json').read_text())
    assert found['mIoU'] == 100 and found['images'] == 2
    assert found['threshold'] in (0.4, 0.5, 0.6, 0.7)
    assert found['eroded_mIoU'] < 100  # the truth isn't eroded


def test_masks_by_config(tool, place) -> None:
    arguments = [
        str(place / 'out'),
        '--kind',
        'mask',
        '--workers',
        '1',
        '--config',
        str(place / 'config.py'),
    ]
    found = tool.main(arguments)
    assert found['mIoU'] == 100 and found['images'] == 2
    assert set(found['classes']['raw']) == set(CLASSES)
    assert 'BF' not in found
    assert tool.main([*arguments, '--boundary'])['BF'] == 100
    found = tool.main([*arguments, '--split', 'one'])
    assert found['images'] == 1
    # a class in neither truth nor prediction counts 0 in the one mean only
    assert (found['mIoU'], round(found['mIoU_fixed'], 2)) == (100, 66.67)


def test_a_list_of_names(tool, place) -> None:
    found = tool.main(
        [
            str(place / 'out' / 'cam'),
            '--ann-dir',
            str(place / 'data' / 'SegmentationClass'),
            '--list',
            str(place / 'data' / 'splits' / 'one.txt'),
            '--workers',
            '1',
        ]
    )
    assert found['images'] == 1 and found['mIoU'] == 100


def test_what_is_refused(tool, place) -> None:
    truth = str(place / 'data' / 'SegmentationClass')
    (place / 'out' / 'manifest.json').unlink()
    with pytest.raises(ValueError, match='give --num-classes'):
        tool.main([str(place / 'out'), '--ann-dir', truth])
    with pytest.raises(ValueError, match='--crf needs the pictures'):
        tool.main(
            [str(place / 'out'), '--ann-dir', truth, '--num-classes', '3', '--crf']
        )
    with pytest.raises(ValueError, match='eroded scoring is for CAMs'):
        tool.main(
            [
                str(place / 'out'),
                '--ann-dir',
                truth,
                '--num-classes',
                '3',
                '--kind',
                'mask',
                '--erode',
            ]
        )
    with pytest.raises(SystemExit):
        tool.main([str(place / 'out')])


def shift(folder: Path) -> None:
    """0 is the first class, 255 the background."""
    for path in folder.iterdir():
        ids = np.asarray(Image.open(path))
        Image.fromarray(np.where(ids == 0, 255, ids - 1).astype(np.uint8)).save(path)


def test_truth_is_held_against_classes(tool, place) -> None:
    """Without labels the ids must tell; CAMs of image labels bring them."""
    truth = place / 'data' / 'SegmentationClass'
    score = [str(place / 'out'), '--ann-dir', str(truth), '--workers', '1']
    shift(truth)
    tool.main(score)  # nobody knows what is there
    chosen = dict(settings=dict(cam_filter='gt'), classes=CLASSES)
    write_manifest(place / 'out', chosen)
    with pytest.raises(MaskError, match='2 of 2 masks hold none .*shifted by one'):
        tool.main(score)
    for path in truth.iterdir():
        ids = np.asarray(Image.open(path))
        Image.fromarray(np.where(ids == 255, 0, 255).astype(np.uint8)).save(path)
    write_manifest(place / 'out', dict(settings={}, classes=CLASSES))
    with pytest.raises(MaskError, match='holds no class, nor do 1 others'):
        tool.main(score)


def test_truth_of_a_config_is_held_against_labels(tool, place) -> None:
    shift(place / 'data' / 'SegmentationClass')
    config = ['--config', str(place / 'config.py'), '--split', 'train']
    with pytest.raises(MaskError, match='2 of 2 masks hold none of the classes'):
        tool.main([str(place / 'out'), *config, '--workers', '1'])
