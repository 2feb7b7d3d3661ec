# Licensed under Apache-2.0.
"""A training of two tasks under a real Slurm: told to end, put back into the queue."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
import torch

from tests.helpers import ROOT
from tests.helpers.slurm import slurm, why_not

CONFIG = ROOT / 'tests' / 'helpers' / 'toy_config.py'
OPTIONS = (
    'train_cfg.max_iters=60 train_cfg.val_interval=60 '
    'default_hooks.checkpoint.interval=60 default_hooks.checkpoint.save_best=None'
)
#: as docs/en/reliability.md shows it
JOB = """#!/usr/bin/env bash
#SBATCH --requeue --ntasks=2 --cpus-per-task=1 --gres=gpu:2 --open-mode=append
#SBATCH --output={folder}/output.log
{root}/tools/slurm_train.sh test toy {config} --work-dir {folder}/run \\
    --cfg-options {options}
code=$?
[ "$code" = 75 ] && scontrol requeue "$SLURM_JOB_ID"
exit "$code"
"""


@pytest.fixture(scope='module')
def cluster(tmp_path_factory):
    hindrance = why_not()
    if hindrance:
        pytest.skip(hindrance)
    with slurm(tmp_path_factory.mktemp('slurm')) as env:
        yield env | dict(GPUS='2', CPUS_PER_TASK='1', OMP_NUM_THREADS='1')


def submit(folder: Path, env: dict[str, str]) -> str:
    folder.mkdir()
    job = JOB.format(folder=folder, root=ROOT, config=CONFIG, options=OPTIONS)
    (folder / 'job.sh').write_text(job)
    told = subprocess.run(
        ['sbatch', '--parsable', str(folder / 'job.sh')],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.strip()


def wait_for(done, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def output(folder: Path) -> str:
    log = folder / 'output.log'
    return log.read_text() if log.is_file() else ''


@pytest.mark.slow
def test_goes_on_after_a_time_limit(tmp_path, cluster):
    """Bit-equal to the training that nobody stopped."""
    whole, told = tmp_path / 'whole', tmp_path / 'told'
    submit(whole, cluster)
    wait_for((whole / 'run' / 'iter_60.pth').is_file)
    job = submit(told, cluster)
    wait_for(lambda: '/60]' in output(told))
    subprocess.run(['scancel', '--signal=USR1', job], env=cluster, check=True)
    wait_for(lambda: 'the training was told to end' in output(told))
    wait_for((told / 'run' / 'iter_60.pth').is_file)
    assert 'SLURM_RESTART_COUNT=1: the training goes on' in output(told)
    one, other = (
        torch.load(folder / 'run' / 'iter_60.pth', weights_only=True)['state_dict']
        for folder in (whole, told)
    )
    assert all(torch.equal(one[key], other[key]) for key in one)
