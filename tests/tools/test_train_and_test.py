# Licensed under Apache-2.0.
"""The command line, as a user calls it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmwsss.env.cpu_bfloat16 import has_bfloat16
from tests.helpers.training import ROOT, free_port, load, train

CONFIG = ROOT / 'tests' / 'helpers' / 'toy_config.py'


def tool(name):
    """A script of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(
        f'tool_{name.replace("/", "_")}', ROOT / 'tools' / f'{name}.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_train_options(tmp_path):
    module = tool('train')
    args = module.parse_args(
        [
            str(CONFIG),
            '--work-dir',
            str(tmp_path),
            '--resume',
            '--auto-scale-lr',
            '--cfg-options',
            'train_cfg.max_iters=9',
            'model.num_classes=3',
        ]
    )
    cfg = module.build_config(args)
    assert (cfg.work_dir, cfg.resume, cfg.load_from) == (str(tmp_path), True, None)
    assert cfg.train_cfg.max_iters == 9 and cfg.auto_scale_lr.enable
    named = module.build_config(module.parse_args([str(CONFIG), '--resume', 'a.pth']))
    assert named.load_from == 'a.pth' and named.work_dir == 'work_dirs/toy_config'


def test_test_options(tmp_path):
    module = tool('test')
    cfg = module.build_config(
        module.parse_args(
            [str(CONFIG), 'a.pth', '--tta', '--out', 'masks', '--show-dir', 'show']
        )
    )
    assert cfg.load_from == 'a.pth' and cfg.model.test_cfg.seg.mirror
    assert cfg.test_evaluator.save_dir == 'masks'
    assert any(h.get('show_dir') == 'show' for h in cfg.custom_hooks)


@pytest.mark.parametrize(
    'name,module',
    [
        ('crf', dict(type='mmwsss.DenseCRF')),
        ('par', dict(type='mmwsss.PAR')),
        ('crf:psa', dict(type='mmwsss.DenseCRF', preset='psa')),
    ],
)
def test_post_processor_option(name, module):
    test = tool('test')
    cfg = test.build_config(
        test.parse_args([str(CONFIG), 'a.pth', '--tta', '--post-processor', name])
    )
    assert cfg.model.type == 'mmwsss.PostProcessed'
    assert cfg.model.segmentor.type == 'ToyWSSS' and cfg.model.post_processor == module
    assert cfg.model.segmentor.test_cfg.seg.mirror


def test_post_processor_of_a_config_is_replaced(tmp_path):
    path = tmp_path / 'refined.py'
    path.write_text(
        "model = dict(type='mmwsss.PostProcessed', channel_order='rgb', segmentor=dict("
        "type='X', backbone=dict(pretrained='a')), post_processor=dict(type='Y'))\n"
        'tta_cfg = dict(seg=dict(mirror=True))\n'
    )
    test = tool('test')
    cfg = test.build_config(
        test.parse_args([str(path), 'a.pth', '--tta', '--post-processor', 'par'])
    )
    assert cfg.model == dict(
        type='mmwsss.PostProcessed',
        channel_order='rgb',
        segmentor=dict(
            type='X',
            backbone=dict(pretrained='a'),
            test_cfg=dict(seg=dict(mirror=True)),
        ),
        post_processor=dict(type='mmwsss.PAR'),
    )


@pytest.mark.parametrize('name', ['', 'best', 'par:1', 'CRF'])
def test_unknown_post_processor(name):
    test = tool('test')
    args = test.parse_args([str(CONFIG), 'a.pth', '--post-processor', name])
    with pytest.raises(ValueError, match='must be crf, crf:PRESET or par, got'):
        test.build_config(args)


@pytest.mark.skipif(has_bfloat16(), reason='this processor has bfloat16')
def test_amp_on_a_cpu_without_bfloat16(tmp_path):
    done = train(CONFIG, tmp_path, '--amp', check=False)
    assert done.returncode and '--amp needs a GPU' in done.stderr


def test_training_in_bfloat16(tmp_path):
    train(CONFIG, tmp_path, options={'optim_wrapper.type': 'CPUAmpOptimWrapper'})
    state = load(Path((tmp_path / 'last_checkpoint').read_text()))['state_dict']
    assert {v.dtype for v in state.values() if v.is_floating_point()} == {torch.float32}


def test_print_config(tmp_path, capsys):
    module = tool('misc/print_config')
    module.main([str(CONFIG), '--cfg-options', 'train_cfg.max_iters=77'])
    assert 'max_iters=77' in capsys.readouterr().out
    module.main([str(CONFIG), '--out', str(tmp_path / 'whole.py')])
    assert 'AtomicCheckpointHook' in (tmp_path / 'whole.py').read_text()


@pytest.mark.parametrize(
    'script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']
)
def test_launchers_explain_themselves(script):
    done = subprocess.run(
        ['bash', f'tools/{script}'], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and f'tools/{script} ' in done.stderr


@pytest.mark.slow
def test_train_resume_and_test_on_two_processes(tmp_path):
    import os

    keep = {
        'default_hooks.checkpoint.interval': 3,
        'default_hooks.checkpoint.max_keep_ckpts': 2,
    }
    train(CONFIG, tmp_path, options=keep)
    (tmp_path / 'iter_6.pth').unlink()
    done = train(CONFIG, tmp_path, '--resume', str(tmp_path / 'iter_3.pth'))
    assert 'resumed epoch: 0, iter: 3' in done.stdout + done.stderr
    env = {
        **os.environ,
        'CUDA_VISIBLE_DEVICES': '-1',
        'OMP_NUM_THREADS': '1',
        'PORT': str(free_port()),
        'PYTHON': sys.executable,
    }
    tables = []
    for head, tail in (
        ([sys.executable, 'tools/test.py'], []),
        (['bash', 'tools/dist_test.sh'], ['2']),
    ):
        done = subprocess.run(
            [
                *head,
                str(CONFIG),
                str(tmp_path / 'iter_6.pth'),
                *tail,
                '--work-dir',
                str(tmp_path / 'test'),
                '--out',
                str(tmp_path / f'masks{len(tail)}'),
            ],
            cwd=ROOT,
            env={**env, 'PYTHONPATH': str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stdout.splitlines() if line.startswith('|')]
        tables.append(lines)
        assert len(list((tmp_path / f'masks{len(tail)}').glob('*.png'))) == 5
    assert tables[0] == tables[1], 'two processes score differently'
