# Licensed under Apache-2.0.
"""The other methods and their stages through the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmwsss.testing import run_tool as run
from mmwsss.testing import train
from tests.helpers.short_runs import (
    AFA,
    CAAE,
    CAM,
    FSR,
    SECO,
    SEMFORMER,
    SMAF,
    TOCO,
    UPPER,
    losses,
    scores,
    short_config,
)

#: precomputed maps for self-training
FUSED = """
_base_ = [{base!r}]
model = dict(self_training=dict(source='fused', scales=None))
train_dataloader = dict(dataset=dict(
  side_inputs=dict(fused=dict(dir={maps!r}, kind='maps')), pipeline=[
    dict(type='LoadPicture'), dict(type='LoadSideInputs'),
    dict(type='PILResizeLongSide', side_range=(80, 112)),
    dict(type='PILRandomFlip'), dict(type='PILPadCrop', crop_size=96),
    dict(type='PackWeakInputs')]))
"""


@pytest.mark.slow
@pytest.mark.parametrize('config', [AFA, FSR, SECO, CAM, SMAF, UPPER])
def test_other_configs_train_and_test(config, shapes, tmp_path) -> None:
    short = short_config(config, shapes, tmp_path)
    done = train(short, tmp_path / 'run')
    steps = losses(done.stdout + done.stderr)
    assert len(steps) == 6 and all(np.isfinite(list(s.values())).all() for s in steps)
    tta = ['--tta'] if config != UPPER else []
    log = run(
        'tools/test.py',
        short,
        tmp_path / 'run' / 'iter_6.pth',
        '--work-dir',
        tmp_path / 'test',
        '--out',
        tmp_path / 'out',
        *tta,
    )
    assert 0 <= scores(log)['seg_mIoU'] <= 100
    assert len(list((tmp_path / 'out').glob('*.png'))) == 6


def test_semformer_stage_by_stage(weak, shapes, tmp_path) -> None:
    """The auto-encoder's checkpoint trains the segmentor; neither needs masks."""
    stages = []
    for config in (CAAE, SEMFORMER):
        (tmp_path / Path(config).stem).mkdir()
        short, run_dir = (
            short_config(config, weak, tmp_path / Path(config).stem),
            tmp_path / 'run' / config,
        )
        options = {
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
        }
        if stages:
            options['model.caae.checkpoint'] = stages[0][0] / 'iter_6.pth'
        done = train(short, run_dir, options=options)
        stages.append((run_dir, done.stdout + done.stderr))
    for (_, log), terms in zip(
        stages, (('sim', 'recon'), ('cf', 'cb', 'sup', 'comp', 'ss'))
    ):
        steps = losses(log)
        assert len(steps) == 6 and set(steps[0]) == {
            'loss',
            *(f'loss_{t}' for t in terms),
        }
        assert np.isfinite([v for s in steps for v in s.values()]).all()
    assert {'cls_mAP', 'sim_mAP', 'sim_thr'} <= set(scores(stages[0][1]))
    assert 'cam_oracle_mIoU' in scores(stages[1][1])
    state = torch.load(stages[1][0] / 'iter_6.pth', weights_only=True)['state_dict']
    assert not [k for k in state if 'caae' in k or 'judge' in k or 'semantics' in k]
    short = tmp_path / Path(SEMFORMER).stem / f'{Path(SEMFORMER).stem}.py'
    log = run(
        'tools/test.py',
        short,
        stages[1][0] / 'iter_6.pth',
        '--work-dir',
        tmp_path / 'test',
        '--show-dir',
        tmp_path / 'show',
        '--cfg-options',
        'model.caae.checkpoint=None',
    )
    assert 0 <= scores(log)['cam_mIoU'] <= 100
    assert len(list((tmp_path / 'show').glob('*.png'))) == 6


def test_missing_first_stage(weak, tmp_path) -> None:
    done = train(
        short_config(SEMFORMER, weak, tmp_path),
        tmp_path / 'run',
        check=False,
        options={'model.caae.checkpoint': tmp_path / 'none.pth'},
    )
    assert done.returncode and 'Train the auto-encoder first' in done.stderr
    assert 'Iter(train)' not in done.stdout + done.stderr


@pytest.mark.slow
def test_self_training_on_maps_of_the_tools(weak, tmp_path) -> None:
    """Base, its fused maps, self-training on them, the student as a base again."""
    short = short_config(SMAF, weak, tmp_path)
    base = short_config(TOCO, weak, tmp_path)
    maps = tmp_path / 'maps'
    run(
        'tools/generate_pseudo_labels.py',
        base,
        tmp_path / 'earlier.pth',
        '--out',
        maps,
        '--save',
        'fused',
    )
    fused = tmp_path / 'fused.py'
    fused.write_text(FUSED.format(base=str(short), maps=str(maps / 'fused')))
    done = train(fused, tmp_path / 'fused')
    steps = losses(done.stdout + done.stderr)
    assert len(steps) == 6 and all(np.isfinite(s['loss_mac']) for s in steps)
    log = run(
        'tools/test.py',
        base,
        tmp_path / 'fused' / 'iter_6.pth',
        '--work-dir',
        tmp_path / 'test',
    )
    assert 0 <= scores(log)['cam_mIoU'] <= 100

    lost = sorted((maps / 'fused').iterdir())[3]
    lost.unlink()
    done = train(fused, tmp_path / 'again', check=False)
    assert done.returncode and f'{lost.name} is not there' in done.stdout + done.stderr


@pytest.mark.slow
def test_the_teacher_is_tested(weak, tmp_path) -> None:
    """One checkpoint holds student and teacher; a setting says which is tested."""
    short = short_config(FSR, weak, tmp_path)
    train(short, tmp_path / 'run')
    checkpoint = tmp_path / 'run' / 'iter_6.pth'
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    copies = [k for k in state if '_ema.module.' in k]
    assert copies and any(
        not torch.equal(state[k], state[k.replace('_ema.module', '')]) for k in copies
    )
    assert state['losses.unc.center'].any() and state['losses.cer.center'].any()
    logs = [
        run(
            'tools/test.py',
            short,
            checkpoint,
            '--work-dir',
            tmp_path / kind,
            '--cfg-options',
            f'model.test_cfg.use_teacher={kind}',
        )
        for kind in ('False', 'True')
    ]
    student, teacher = (scores(log) for log in logs)
    assert student.keys() == teacher.keys() and student != teacher
