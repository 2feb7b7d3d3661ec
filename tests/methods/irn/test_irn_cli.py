# Licensed under Apache-2.0.
"""The affinity stage through the command line, on a folder of seeds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.labelers.refiners.walk_refiner import RandomWalk
from mmwsss.pipeline.inference import init_model
from mmwsss.testing import assert_resume_is_exact, assert_two_processes_agree, train
from mmwsss.testing import run_tool as run
from tests.helpers import ROOT

BASE = ROOT / 'configs/irn/irn_r18_shapes.py'
CONFIG = """
_base_ = [{base!r}]
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(data_root={data!r},
                 side_inputs=dict(mask=dict(dir={seeds!r}))))
train_cfg = dict(max_iters=4, val_interval=4)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=2))
"""


@pytest.fixture(scope='session')
def shapes(tmp_path_factory) -> Path:
    """A small Shapes data set without masks of its own; seeds beside it."""
    folder = tmp_path_factory.mktemp('irn')
    data, seeds = folder / 'shapes', folder / 'seeds'
    run(
        'tools/dataset_converters/shapes.py',
        '--out',
        data,
        '--train',
        '12',
        '--val',
        '2',
        '--test',
        '2',
        '--jobs',
        '1',
    )
    seeds.mkdir()
    for file in (data / 'SegmentationClass').glob('train*.png'):
        label = np.array(Image.open(file))
        label[::3] = 255
        Image.fromarray(label).save(seeds / file.name)
    shutil.rmtree(data / 'SegmentationClass')
    return data


@pytest.fixture
def config(shapes, tmp_path) -> Path:
    """Four iterations of the Shapes config."""
    path = tmp_path / 'irn.py'
    path.write_text(
        CONFIG.format(
            base=str(BASE), data=str(shapes), seeds=str(shapes.parent / 'seeds')
        )
    )
    return path


def test_missing_seeds(config, shapes, tmp_path) -> None:
    """Said before the first iteration, with the name of a file."""
    few = tmp_path / 'few'
    shutil.copytree(shapes.parent / 'seeds', few)
    gone = sorted(few.iterdir())[3]
    gone.unlink()
    done = train(
        config,
        tmp_path / 'run',
        check=False,
        options={'train_dataloader.dataset.side_inputs.mask.dir': str(few)},
    )
    text = done.stdout + done.stderr
    assert done.returncode and f'{gone} is not there: 1 of ' in text, text[-2000:]
    assert 'side_inputs.mask.dir' in text and 'Iter(train)' not in text


@pytest.mark.slow
def test_train_then_walk(config, shapes, tmp_path, monkeypatch) -> None:
    # set by init_model for the process; here taken back after the test
    monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    done = train(config, tmp_path / 'run')
    text = done.stdout + done.stderr
    assert 'loss_aff' in text
    model = init_model(config, str(tmp_path / 'run' / 'iter_4.pth'))
    assert model.dataset_meta['classes'][0] == 'background'
    photo = next((shapes / 'JPEGImages').glob('*.jpg'))
    pixels = torch.from_numpy(np.array(Image.open(photo))).permute(2, 0, 1)
    (walked,) = RandomWalk(model)([pixels], [torch.rand(2, 24, 24)])
    assert walked.shape == (2, 96, 96) and walked.max() == 1


@pytest.mark.slow
def test_resume_is_exact(config, tmp_path) -> None:
    assert_resume_is_exact(config, tmp_path, stop=2, total=4)


@pytest.mark.slow
def test_two_processes_agree(config, tmp_path) -> None:
    assert_two_processes_agree(config, tmp_path)
