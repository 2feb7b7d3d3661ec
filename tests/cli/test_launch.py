# Licensed under Apache-2.0.
"""What the entry points do to a config."""

import argparse
import json
import os

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmwsss.cli import arguments as cli
from mmwsss.cli import inference_options, launch
from mmwsss.cli.arguments import add_common_arguments, parse, save_metrics
from mmwsss.engine.optimizers import merged_constructor
from mmwsss.engine.optimizers.merged_constructor import (
    MergedOptimWrapperConstructor,
    merge_groups,
)
from mmwsss.io.errors import UserError
from tests.helpers import ROOT

CONFIG = str(ROOT / 'tests' / 'helpers' / 'toy_config.py')


@pytest.fixture
def cfg():
    return Config.fromfile(CONFIG)


def test_a_work_dir_that_can_not_be_made_is_refused_at_once(cfg, tmp_path):
    (tmp_path / 'link').symlink_to('/proc/none')
    cfg.work_dir = str(tmp_path / 'link' / 'run')
    with pytest.raises(UserError, match='--work-dir .* can not be written into'):
        launch.prepare_run(cfg)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)


def test_without_workers(cfg, no_gpu):
    options = dict(num_workers=0, prefetch_factor=4, persistent_workers=True)
    cfg.train_dataloader.update(options)
    launch.prepare_run(cfg)
    assert cfg.train_dataloader.persistent_workers is False
    assert 'prefetch_factor' not in cfg.train_dataloader


def test_amp_needs_a_gpu_or_bfloat16(cfg, no_gpu, monkeypatch):
    monkeypatch.setattr(launch, 'has_bfloat16', lambda: False)
    with pytest.raises(ValueError, match='--amp needs a GPU or a processor with'):
        launch.prepare_run(cfg, amp=True)


def test_amp_on_a_cpu(cfg, no_gpu, monkeypatch):
    monkeypatch.setattr(launch, 'has_bfloat16', lambda: True)
    launch.enable_amp(cfg)
    assert cfg.optim_wrapper.type == 'CPUAmpOptimWrapper'
    assert 'loss_scale' not in cfg.optim_wrapper


def test_amp(cfg, gpu):
    launch.enable_amp(cfg)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.optim_wrapper.loss_scale == 'dynamic'
    cfg.optim_wrapper.type = 'Strange'
    with pytest.raises(ValueError, match="optim_wrapper.type='Strange'"):
        launch.enable_amp(cfg)


def test_auto_scale_lr(cfg):
    launch.enable_auto_scale_lr(cfg)
    assert cfg.auto_scale_lr.enable
    cfg.pop('auto_scale_lr')
    with pytest.raises(ValueError, match='base_batch_size'):
        launch.enable_auto_scale_lr(cfg)


def test_sync_bn_becomes_bn(cfg, no_gpu):
    cfg.model.head = dict(
        norm_cfg=dict(type='SyncBN'), more=[dict(type='mmseg.SyncBN')]
    )
    launch.prepare_run(cfg)
    assert cfg.model.head.norm_cfg.type == 'BN' and cfg.model.head.more[0].type == 'BN'


def test_cpu_ddp_wrapper(cfg, no_gpu, monkeypatch):
    started = []
    monkeypatch.setattr(launch, 'init_gloo', lambda *a: started.append(a))
    cfg.find_unused_parameters = True
    launch.prepare_run(cfg, launcher='pytorch')
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=True,
    )
    assert started == [('pytorch', None)]


def test_launcher_messages(monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(KeyError, match='start with torchrun'):
        launch.init_gloo('pytorch')
    with pytest.raises(ValueError, match="launcher='mpi' needs a GPU"):
        launch.init_gloo('mpi')


@pytest.mark.parametrize(
    'nodes, first',
    [
        ('gpu[03-05,9]', 'gpu03'),
        ('a1,a2', 'a1'),
        ('solo', 'solo'),
        ('n-1-[2,4]', 'n-1-2'),
    ],
)
def test_slurm_master(monkeypatch, nodes, first):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)
    monkeypatch.setenv('SLURM_PROCID', '1')
    monkeypatch.setenv('SLURM_NTASKS', '2')
    monkeypatch.setenv('SLURM_STEP_NODELIST', nodes)
    launch._slurm_environment()
    assert launch.os.environ['MASTER_ADDR'] == first
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        launch.os.environ.pop(name)


def test_slurm_names_no_node(monkeypatch):
    monkeypatch.setenv('MASTER_ADDR', '')
    monkeypatch.delenv('MASTER_ADDR')
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT'):
        monkeypatch.setenv(name, '0')
    for name in ('SLURM_PROCID', 'SLURM_NTASKS'):
        monkeypatch.setenv(name, '1')
    monkeypatch.setenv('SLURM_STEP_NODELIST', '[1-2]')
    with pytest.raises(UserError, match=r"'\[1-2\]' names no node: set MASTER_ADDR"):
        launch._slurm_environment()


@pytest.mark.parametrize(
    'launcher, rank', [('none', '3'), ('pytorch', '3'), ('slurm', None), ('mpi', None)]
)
def test_slurm_and_mpi_know_the_local_rank_themselves(monkeypatch, launcher, rank):
    monkeypatch.setenv('LOCAL_RANK', '')  # so that it's restored afterwards
    monkeypatch.delenv('LOCAL_RANK')
    parser = argparse.ArgumentParser()
    add_common_arguments(parser)
    parse(parser, ['--launcher', launcher, '--local_rank', '3'])
    assert os.environ.pop('LOCAL_RANK', None) == rank


def test_tta(cfg):
    cfg.model.test_cfg = dict(bkg_thr=0.5, seg=dict(scales=(1.0,), mirror=False))
    inference_options.apply_tta(cfg)
    assert cfg.model.test_cfg == dict(bkg_thr=0.5, seg=dict(scales=(1.0,), mirror=True))
    cfg.pop('tta_cfg')
    with pytest.raises(ValueError, match='toy_config.py has no tta_cfg'):
        inference_options.apply_tta(cfg)


def test_masks_and_panels(cfg):
    inference_options.save_masks(cfg, 'masks')
    assert cfg.test_evaluator.save_dir == 'masks'
    cfg.test_evaluator = [dict(type='IoUMetric'), dict(type='mmwsss.WSSSMetric')]
    inference_options.save_masks(cfg, 'masks')
    assert cfg.test_evaluator[1].save_dir == 'masks'
    cfg.test_evaluator = dict(type='IoUMetric')
    with pytest.raises(ValueError, match='no WSSSMetric'):
        inference_options.save_masks(cfg, 'masks')
    inference_options.show_panels(cfg, 'show')
    assert [h.get('show_dir') for h in cfg.custom_hooks].count('show') == 1
    cfg.custom_hooks = []
    inference_options.show_panels(cfg, 'show')
    assert cfg.custom_hooks == [dict(type='CAMPanelHook', show_dir='show')]


def test_merge_groups():
    groups = [
        dict(params=['a']),
        dict(params=['b'], lr=1.0),
        dict(params=['c']),
        dict(params=['d'], lr=1.0, weight_decay=0.0),
    ]
    assert merge_groups(groups) == [
        dict(params=['a', 'c']),
        dict(params=['b'], lr=1.0),
        dict(params=['d'], lr=1.0, weight_decay=0.0),
    ]


def test_frozen_tensors_are_listed_once(monkeypatch):
    lines = []
    monkeypatch.setattr(merged_constructor, 'print_log', lambda t, *_: lines.append(t))
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    model[0].requires_grad_(False)
    wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
    MergedOptimWrapperConstructor(wrapper, dict(bias_lr_mult=2.0))(model)
    counts = [line.split(' tensors')[0] for line in lines]
    assert counts.count('optimizer: 2') == 1 and 'not trained' in lines[-1]
    assert sum(int(c.split()[-1]) for c in counts) == 4


@pytest.mark.parametrize('there', [True, False])
def test_resuming_needs_no_pretrained_file(tmp_path, there: bool) -> None:
    if there:
        (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_2.pth'))
    cfg = Config(
        dict(
            resume=True,
            load_from=None,
            work_dir=str(tmp_path),
            model=dict(backbone=dict(type='X', pretrained='https://host/vit.pth')),
        )
    )
    launch.skip_pretrained_on_resume(cfg)
    # without a checkpoint the run begins anew, and must not begin at random
    assert (cfg.model.backbone.pretrained is None) == there


def test_a_first_start_keeps_the_pretrained_file(tmp_path) -> None:
    cfg = Config(
        dict(
            resume=False,
            work_dir=str(tmp_path),
            model=dict(backbone=dict(pretrained='vit.pth')),
        )
    )
    launch.skip_pretrained_on_resume(cfg)
    assert cfg.model.backbone.pretrained == 'vit.pth'


@pytest.mark.parametrize('wrong', ['train_cfg.max_iters', '=3', '3'])
def test_options_without_a_value_are_named(wrong, capsys):
    parser = argparse.ArgumentParser()
    add_common_arguments(parser)
    good = ['--cfg-options', 'a.b=[1,2]', 'c=x=y']
    assert parse(parser, good).cfg_options == {'a.b': [1, 2], 'c': 'x=y'}
    with pytest.raises(SystemExit):
        parse(parser, [*good, wrong])
    assert f"--cfg-options: '{wrong}' is no KEY=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize('main', [True, False])
def test_scores_are_written_once(tmp_path, monkeypatch, main):
    """By the first process alone; what is no number stays out."""
    monkeypatch.setattr(cli, 'is_main_process', lambda: main)
    save_metrics(dict(seg_mIoU=np.float32(50), count=3, table='| a |'), tmp_path)
    file = tmp_path / 'metrics.json'
    assert file.exists() is main
    if main:
        assert json.loads(file.read_text()) == dict(seg_mIoU=50.0, count=3.0)


def test_pretrained_weights_come_before_the_model(tmp_path, monkeypatch):
    """All parts of the model are asked; one process of a machine looks."""
    here, gone = tmp_path / 'a.pth', tmp_path / 'b.pth'
    here.touch()
    cfg = Config(dict(model=dict(backbone=dict(pretrained=str(here)))))
    launch.fetch_pretrained(cfg)
    cfg.model.teacher = dict(backbone=[dict(pretrained=str(gone))])
    assert launch.pretrained_of(cfg.model) == [str(here), str(gone)]
    with pytest.raises(FileNotFoundError, match=r'b\.pth can not be found'):
        launch.fetch_pretrained(cfg)
    monkeypatch.setenv('LOCAL_RANK', '1')
    launch.fetch_pretrained(cfg)


def test_loaders_without_workers(cfg, no_gpu):
    """As ``--cfg-options train_dataloader.num_workers=0`` leaves them."""
    loader = dict(num_workers=0, persistent_workers=True, prefetch_factor=4)
    cfg.train_dataloader = dict(loader)
    cfg.val_dataloader = loader | dict(num_workers=2)
    launch.prepare_run(cfg)
    fitted = cfg.train_dataloader
    assert not fitted.persistent_workers and 'prefetch_factor' not in fitted
    assert cfg.val_dataloader.persistent_workers
    assert cfg.val_dataloader.prefetch_factor == 4
