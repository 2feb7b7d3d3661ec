# Licensed under Apache-2.0.
"""From a folder of pictures to masks and scores, command by command.

docs/en/custom_dataset.md, on two data sets that are not of VOC's kind, in a few
iterations from a random start.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.testing import run_tool as run
from tests.helpers.own_data import draw_parts
from tests.helpers.tiles import draw_tiles

ITERATIONS = 3
NEW = ('--iters', ITERATIONS, '--batch-size', 2, '--pretrained', 'none')


def trained(folder: Path, data: Path, *options: object) -> tuple[Path, Path]:
    """Commands two to four; the config and the last checkpoint."""
    config = folder / 'own.py'
    run('tools/misc/new_config.py', '--data', data, '--out', config, *NEW, *options)
    run('tools/misc/browse_dataset.py', config, '--out', folder / 'seen', '--number', 1)
    run('tools/train.py', config, '--work-dir', folder / 'run')
    return config, folder / 'run' / f'iter_{ITERATIONS}.pth'


@pytest.mark.parametrize(
    'method', ['toco', pytest.param('cam', marks=pytest.mark.slow)]
)
def test_good_and_bad_pictures(tmp_path, method) -> None:
    root, data = draw_parts(tmp_path / 'drawn', 3, 5), tmp_path / 'parts'
    run('tools/dataset_converters/folder.py', root / 'parts', '--masks',
        root / 'masks', '--out', data)  # fmt: skip
    config, weights = trained(tmp_path, data, '--method', method)
    run('demo/image_demo.py', root / 'parts' / 'bad', config, weights,
        '--out-dir', tmp_path / 'out')  # fmt: skip
    masks = [Image.open(tmp_path / 'out' / f'part {i}.png') for i in range(5)]
    assert all(mask.size == (128, 96) for mask in masks)
    assert set(np.unique([np.asarray(m) for m in masks]).tolist()) <= {0, 1}
    run('tools/test.py', config, weights, '--work-dir', tmp_path / 'test')
    scores = json.loads((tmp_path / 'test' / 'metrics.json').read_text())
    assert 0 <= scores['seg_mIoU'] <= 100


def test_tiles_of_five_bands_and_a_segmenter(tmp_path) -> None:
    root, data = draw_tiles(tmp_path / 'drawn'), tmp_path / 'tiles'
    run('tools/dataset_converters/folder.py', root, '--out', data)
    assert json.loads((data / 'picture.json').read_text())['bands'] == [0, 1, 2, 3, 4]
    config, weights = trained(tmp_path, data)
    run('demo/image_demo.py', data / 'images', config, weights,
        '--out-dir', tmp_path / 'out')  # fmt: skip
    assert Image.open(tmp_path / 'out' / 't0.png').size == (48, 48)
    run('tools/generate_pseudo_labels.py', config, weights, '--out', tmp_path / 'p')
    second = tmp_path / 'second'
    trained(second, data, '--method', 'pseudo', '--masks', tmp_path / 'p' / 'mask')
    assert (second / 'run' / f'iter_{ITERATIONS}.pth').is_file()


@pytest.mark.parametrize('method', ['fsr', 'afa'])
def test_further_methods(tmp_path, method) -> None:
    root, data = draw_parts(tmp_path / 'drawn', 2, 3), tmp_path / 'parts'
    run('tools/dataset_converters/folder.py', root / 'parts', '--out', data)
    trained(tmp_path, data, '--method', method)
