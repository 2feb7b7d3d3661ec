"""``tools/run_pipeline.py`` with the real tools for training and testing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.pipelines import listen_to_ctrl_c
from tests.helpers.training import ROOT, TIMEOUT, assert_same, load

TOY = ROOT / 'tests' / 'helpers' / 'toy_config.py'
STAGES = f"""
stages = [
    dict(name='first', type='train', config={str(TOY)!r}),
    dict(name='second', type='train', config={str(TOY)!r},
         cfg_options=dict(load_from='{{first.checkpoint}}')),
    dict(name='test', type='test', config={str(TOY)!r},
         checkpoint='{{second.checkpoint}}'),
]
"""


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / 'toy_pipeline.py'
    path.write_text(STAGES)
    return path


def start(config: Path, work: Path, *arguments: str) -> subprocess.Popen:
    env = os.environ | dict(
        CUDA_VISIBLE_DEVICES='-1', OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT)
    )
    return subprocess.Popen(
        [
            sys.executable,
            'tools/run_pipeline.py',
            str(config),
            '--work-dir',
            str(work),
            *arguments,
        ],
        cwd=ROOT,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=listen_to_ctrl_c,
    )


def run(config: Path, work: Path, *arguments: str, code: int = 0) -> str:
    process = start(config, work, *arguments)
    text = process.communicate(timeout=TIMEOUT)[0]
    assert process.returncode == code, text[-4000:]
    return text


def test_train_and_test(config, tmp_path):
    work = tmp_path / 'work'
    log = run(config, work, '--seed', '3')
    assert '| test | ' in log and 'second | Iter(train) [6/6]' in log
    record = json.loads((work / '03_test/record.json').read_text())
    shown = json.loads((work / 'summary.json').read_text())
    assert shown[-1]['scores']['segmenter mIoU'] == record['metrics']['seg_mIoU']
    # a training tells its last validation
    assert shown[0]['metrics']['cam_mIoU'] == shown[0]['scores']['CAM mIoU']
    assert 'load_checkpoint' in (work / '02_second/output.log').read_text() or (
        'Load checkpoint from' in (work / '02_second/output.log').read_text()
    )
    again = run(config, work, '--seed', '3')
    assert again.count('skipped: finished') == 3 and 'Iter(train)' not in again


def test_errors_are_one_line(config, tmp_path):
    log = run(config, tmp_path / 'work', '--from', 'third', code=1)
    assert "error: --from third: the stages are ['first', 'second', 'test']" in log
    assert 'Traceback' not in log
    log = run(config, tmp_path / 'work', '--gpus', '2', code=2)
    assert 'several processes need --launcher pytorch' in log
    assert not (tmp_path / 'work').exists()


@pytest.mark.slow
@pytest.mark.parametrize('processes', [1, 2])
def test_killed_at_random_moments_ends_the_same(config, tmp_path, processes):
    """Weights, optimizer and scores of a run that was killed are those of one that was
    not; also on two processes, whose workers a kill of the group doesn't reach."""
    chance = random.Random(processes)
    arguments = [
        '--to',
        'test',
        '--cfg-options',
        'all.train_cfg.max_iters=30',
        'all.train_cfg.val_interval=30',
    ]
    if processes > 1:
        arguments = ['--launcher', 'pytorch', '--gpus', str(processes), *arguments]
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    began = time.time()
    run(config, whole, *arguments)
    seconds = time.time() - began
    for _ in range(3):
        process = start(config, killed, *arguments)
        time.sleep(chance.uniform(0.2, 0.5) * seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    run(config, killed, *arguments)
    for stage in ('01_first', '02_second'):
        ends = [load(work / stage / 'run/iter_30.pth') for work in (whole, killed)]
        for part in ('state_dict', 'optimizer', 'param_schedulers'):
            assert_same(ends[0][part], ends[1][part], f'{stage}.{part}')
    metrics = [
        json.loads((work / '03_test/record.json').read_text())['metrics']
        for work in (whole, killed)
    ]
    for timing in ('time', 'data_time'):
        for entry in metrics:
            entry.pop(timing, None)
    assert metrics[0] == metrics[1] and 'seg_mIoU' in metrics[0]
    assert not (killed / 'aside').exists()


@pytest.mark.slow
def test_ctrl_c_ends_the_training(config, tmp_path):
    work = tmp_path / 'work'
    process = start(config, work, '--cfg-options', 'first.train_cfg.max_iters=100000')
    log = work / '01_first/output.log'
    deadline = time.time() + 120
    while not (log.exists() and 'Iter(train)' in log.read_text()):
        assert time.time() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and 'the same command goes on' in text
    size = log.stat().st_size
    time.sleep(1)
    assert log.stat().st_size == size
