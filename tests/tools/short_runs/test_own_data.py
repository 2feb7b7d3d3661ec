# Licensed under Apache-2.0.
"""From a folder of pictures to masks and scores, command by command.

docs/en/custom_dataset.md, on two data sets that are not of VOC's kind, in a few
iterations from a random start. Commands without a network run in this process.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.testing import run_tool as run
from tests.helpers import ROOT
from tests.helpers.own_data import draw_parts
from tests.helpers.tiles import draw_tiles

ITERATIONS = 3
NEW = ('--iters', ITERATIONS, '--batch-size', 2, '--pretrained', 'none')


@pytest.fixture
def here(load_tool) -> Callable:
    """``here('tools/x.py', ...)`` runs a tool in this process."""
    return lambda tool, *options: load_tool(ROOT / tool).main(list(map(str, options)))


def trained(here, folder: Path, data: Path, *options: object) -> tuple[Path, Path]:
    """Commands two and four; the config and the last checkpoint."""
    config = folder / 'own.py'
    here('tools/misc/new_config.py', '--data', data, '--out', config, *NEW, *options)
    run('tools/train.py', config, '--work-dir', folder / 'run')
    return config, folder / 'run' / f'iter_{ITERATIONS}.pth'


def test_good_and_bad_pictures(here, tmp_path) -> None:
    root, data = draw_parts(tmp_path / 'drawn', 3, 5), tmp_path / 'parts'
    here('tools/dataset_converters/folder.py', root / 'parts', '--masks',
         root / 'masks', '--out', data)  # fmt: skip
    config, weights = trained(here, tmp_path, data)
    run('tools/misc/browse_dataset.py', config, '--out', tmp_path / 'seen')
    run('demo/image_demo.py', root / 'parts' / 'bad', config, weights,
        '--out-dir', tmp_path / 'out')  # fmt: skip
    masks = [Image.open(tmp_path / 'out' / f'part {i}.png') for i in range(5)]
    assert all(mask.size == (128, 96) for mask in masks)
    assert set(np.unique([np.asarray(m) for m in masks]).tolist()) <= {0, 1}
    run('tools/test.py', config, weights, '--work-dir', tmp_path / 'test')
    scores = json.loads((tmp_path / 'test' / 'metrics.json').read_text())
    assert 0 <= scores['seg_mIoU'] <= 100 and scores['images'] > 0
    assert list(scores['classes']['seg']) == ['background', 'bad']


def test_tiles_of_five_bands(here, tmp_path) -> None:
    root, data = draw_tiles(tmp_path / 'drawn'), tmp_path / 'tiles'
    here('tools/dataset_converters/folder.py', root, '--out', data)
    assert json.loads((data / 'picture.json').read_text())['bands'] == [0, 1, 2, 3, 4]
    config, weights = trained(here, tmp_path, data)
    run('demo/image_demo.py', data / 'images', config, weights,
        '--out-dir', tmp_path / 'out')  # fmt: skip
    assert Image.open(tmp_path / 'out' / 't0.png').size == (48, 48)


@pytest.mark.slow
@pytest.mark.parametrize('method', ['cam', 'fsr', 'afa', 'seco', 'more', 'pseudo'])
def test_other_methods(here, tmp_path, method) -> None:
    """Of photos and of tiles; the segmenter takes true masks for pseudo ones."""
    root = draw_parts(tmp_path / 'drawn', 2, 3)
    here('tools/dataset_converters/folder.py', root / 'parts', '--masks',
         root / 'masks', '--out', tmp_path / 'parts')  # fmt: skip
    masks = ('--masks', tmp_path / 'parts' / 'masks') if method == 'pseudo' else ()
    trained(here, tmp_path, tmp_path / 'parts', '--method', method, *masks)
    tiles = draw_tiles(tmp_path / 'bands')
    here('tools/dataset_converters/folder.py', tiles, '--out', tmp_path / 'tiles')
    masks = ('--masks', tiles / 'masks') if method == 'pseudo' else ()
    second = tmp_path / 'second'
    trained(here, second, tmp_path / 'tiles', '--method', method, *masks)
