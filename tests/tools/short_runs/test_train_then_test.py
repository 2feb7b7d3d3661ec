# Licensed under Apache-2.0.
"""ToCo through the command line: trained, kept, tested, post-processed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.testing import run_tool as run
from tests.helpers.short_runs import losses, scores


def test_training(trained) -> None:
    work_dir, log = trained
    steps = losses(log)
    assert len(steps) == 6
    warm_up = {'loss', *(f'loss_{t}' for t in ('cls', 'cls_aux', 'ptc', 'ctc'))}
    assert [set(s) - warm_up for s in steps] == [set()] * 2 + [
        {'loss_seg', 'loss_reg'}
    ] * 4
    assert np.isfinite([v for s in steps for v in s.values()]).all()
    for s in steps[:2]:  # later ones are means over windows of unlike lengths
        assert s['loss'] == pytest.approx(
            sum(v for k, v in s.items() if k != 'loss'), abs=2e-3
        )
    got = scores(log)
    for name in ('seg_mIoU', 'cam_mIoU', 'aux_cam_mIoU', 'pseudo_mIoU', 'cls_mAP'):
        assert 0 <= got[name] <= 100
    assert 'GROUND-TRUTH image labels' in log  # the config says cam_filter='gt'


def test_the_end_of_a_training(trained, toco) -> None:
    work_dir, log = trained
    end = log[log.index('finished\n') :]
    assert 'last validation, 6 pictures' in end
    (shown,) = re.findall(r'segmentation mIoU +\| +([\d.]+) \|', end)
    assert float(shown) == pytest.approx(scores(log)['seg_mIoU'], abs=0.006)
    (folder,) = re.findall(r'^pictures .*: (.*)$', end, re.MULTILINE)
    assert list(Path(folder).glob('*.png'))
    checkpoint = work_dir / 'iter_6.pth'
    assert f'python tools/test.py {toco} {checkpoint} --out masks' in end
    for noise in ('OneDL', 'FileClient', 'HardDiskBackend'):
        assert noise not in log


def test_checkpoint_is_plain_and_whole(trained) -> None:
    checkpoint = torch.load(trained[0] / 'iter_6.pth', weights_only=True)
    state = checkpoint['state_dict']
    teacher = {k: v for k, v in state.items() if k.startswith('proj_head_ema.')}
    assert teacher
    student = state['proj_head.mlp.0.weight']
    assert not torch.equal(state['proj_head_ema.module.mlp.0.weight'], student)


def test_testing(trained, toco, tmp_path) -> None:
    work_dir, trained_log = trained
    show, out = tmp_path / 'show', tmp_path / 'out'
    checkpoint = work_dir / 'iter_6.pth'
    log = run(
        'tools/test.py',
        toco,
        checkpoint,
        '--work-dir',
        tmp_path / 'test',
        '--show-dir',
        show,
        '--out',
        out,
        '--tta',
    )
    assert 0 <= scores(log)['seg_mIoU'] <= 100
    names = {p.stem for p in out.glob('*.png')}
    assert len(names) == 6 and {p.stem for p in show.glob('*.png')} == names
    for path in out.glob('*.png'):
        with Image.open(path) as mask:
            assert mask.mode == 'P' and mask.size == (96, 96)
            assert np.asarray(mask).max() < 7


def test_post_processor(trained, toco, tmp_path) -> None:
    """Refined masks differ; everything else is scored as before."""
    out, checkpoint = tmp_path / 'out', tmp_path / 'mixed.pth'
    saved = torch.load(trained[0] / 'iter_6.pth', weights_only=True)
    for key, weight in saved['state_dict'].items():
        if key.startswith('decode_head.conv'):  # six iterations predict one class only
            torch.nn.init.normal_(weight, std=0.1)
    torch.save(saved, checkpoint)
    command = ['tools/test.py', toco, checkpoint, '--work-dir', tmp_path / 'test']
    plain = scores(run(*command, '--out', out / 'plain'))
    refined = scores(run(*command, '--out', out / 'crf', '--post-processor', 'crf:psa'))
    pairs = [
        [np.asarray(Image.open(out / kind / p.name)) for kind in ('plain', 'crf')]
        for p in (out / 'plain').glob('*.png')
    ]
    assert len(pairs) == 6 and any((a != b).any() for a, b in pairs)
    assert refined['cam_mIoU'] == plain['cam_mIoU']
