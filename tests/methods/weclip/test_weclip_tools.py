# Licensed under Apache-2.0.
"""WeCLIP by the ordinary tools: resumed across the switch, tested, predicted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmwsss.io.weights import CheckpointMismatch
from mmwsss.pipeline.inference import init_model, predict_image
from mmwsss.testing import assert_resume_is_exact, build
from mmwsss.testing.training_runs import load
from tests.helpers import ROOT
from tests.helpers.drawn_shapes import draw_shapes
from tests.helpers.weclip_configs import weclip_config

CLASSES = ('background', 'stripes', 'dots', 'check', 'rings', 'zigzag', 'grid')
SWITCH, STOP, TOTAL = 4, 3, 6


@pytest.fixture(scope='module')
def place(tmp_path_factory) -> Path:
    """Pictures, the file of the frozen parts, a config of six iterations."""
    folder = tmp_path_factory.mktemp('weclip')
    draw_shapes(folder / 'data')
    model = build(weclip_config())
    state = {
        f'{part}.{name}': value
        for part in ('backbone', 'texts')
        for name, value in getattr(model, part).state_dict().items()
    }
    meta = dict(dataset_meta=dict(classes=list(CLASSES)))
    torch.save(dict(state_dict=state, meta=meta), folder / 'clip.pth')
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/shapes_96.py')
    runtime = Config.fromfile(ROOT / 'configs/_base_/default_runtime.py')
    schedule = Config.fromfile(ROOT / 'configs/_base_/schedules/weclip_30k.py')
    cfg.merge_from_dict(runtime.to_dict())
    cfg.merge_from_dict(schedule.to_dict())
    cfg.model = weclip_config().model
    cfg.model.clip.checkpoint = str(folder / 'clip.pth')
    cfg.model.train_cfg.rfm_begin = SWITCH
    cfg.train_dataloader.dataset.pipeline = [
        dict(type='LoadPicture'),
        dict(type='PILRandomScale', scale_range=(0.5, 2.0)),
        dict(type='PILRandomFlip', prob=0.5),
        dict(type='PILPadCrop', crop_size=96),
        dict(type='PackWeakInputs'),
    ]
    cfg.param_scheduler[0].warmup_iters = 2
    for part in ('train', 'val', 'test'):
        loader = cfg[f'{part}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(folder / 'data')
    cfg.dump(folder / 'config.py')
    return folder


@pytest.fixture(scope='module')
def run(place) -> Path:
    """A run, and one that goes on from its third iteration, past the switch."""
    assert_resume_is_exact(place / 'config.py', place, stop=STOP, total=TOTAL)
    return place / 'whole'


@pytest.mark.slow
def test_a_resumed_run_crosses_the_switch(run) -> None:
    """Bit-equal (checked as it is made), and of the decoder alone."""
    state = load(run / f'iter_{TOTAL}.pth')['state_dict']
    assert {key.split('.')[0] for key in state} == {'decode_head'}


@pytest.mark.slow
def test_the_encoder_is_there_at_prediction(place, run) -> None:
    checkpoint = str(run / f'iter_{TOTAL}.pth')
    model = init_model(place / 'config.py', checkpoint)
    frozen = load(place / 'clip.pth')['state_dict']
    assert torch.equal(model.backbone.proj, frozen['backbone.proj'])
    photo = next((place / 'data').rglob('*.jpg'))
    sample = predict_image(model, photo)
    assert sample.pred_sem_seg.data.shape[1:] == sample.ori_shape[:2]


def test_files_that_do_not_fit(place) -> None:
    """One clear line, before any picture is read."""
    cfg = Config.fromfile(place / 'config.py')
    cfg.model.clip.checkpoint = str(place / 'none.pth')
    with pytest.raises(FileNotFoundError, match='tools/model_converters/clip.py'):
        init_model(cfg)
    cfg = Config.fromfile(place / 'config.py')
    cfg.model.backbone.text_dims = 12
    with pytest.raises(CheckpointMismatch, match='14 wide'):
        init_model(cfg)
    cfg = Config.fromfile(place / 'config.py')
    cfg.model.num_classes = 5
    with pytest.raises(CheckpointMismatch, match='made for 7 classes'):
        init_model(cfg)
    other = place / 'other.pth'
    content = load(place / 'clip.pth')
    content['meta']['dataset_meta']['classes'][1] = 'lines'
    torch.save(content, other)
    cfg = Config.fromfile(place / 'config.py')
    cfg.model.clip.checkpoint = str(other)
    with pytest.raises(CheckpointMismatch, match='trained with the classes'):
        init_model(cfg)
