# Licensed under Apache-2.0.
"""Runs that are stopped or killed: nothing lives on, nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mmwsss.pipeline.lock import BusyError, folder_lock, writers
from mmwsss.pipeline.runner import run_pipeline
from mmwsss.pipeline.stages import PipelineError
from tests.helpers.pipelines import (
    NAMES,
    STAGES,
    Lines,
    actions,
    fork_run,
    kill_group,
    make_run,
    outputs,
    write_pipeline,
)


def test_a_training_goes_on_with_as_many_processes(config, work):
    run = make_run(config, work, last='cam', cam__pause=0.05)
    process = fork_run(run)
    wait_for(lambda: (work / '01_cam/run/last_checkpoint').exists())
    kill_group(process)
    with pytest.raises(PipelineError, match='begun on 1 processes.*--gpus 1'):
        run_pipeline(make_run(config, work, processes=2, cam__pause=0.05))
    run_pipeline(replace(run, show=Lines()))


def wait_for(condition, seconds: float = 30) -> None:
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, 'it did not happen'
        time.sleep(0.01)


def test_two_runs_in_one_folder(config, work):
    process = fork_run(make_run(config, work, cam__pause=0.2))
    wait_for(lambda: (work / '01_cam/run/journal').exists())
    with pytest.raises(BusyError, match=f'process {process} '):
        run_pipeline(make_run(config, work))
    kill_group(process)


def test_a_stale_lock_is_noticed(config, work, monkeypatch):
    said = Lines()
    monkeypatch.setattr('mmwsss.pipeline.lock.print_log', said)
    work.mkdir()
    (work / 'lock').write_text('process 1 on a machine that is no more')
    with folder_lock(work, '--work-dir'):
        assert str(os.getpid()) in (work / 'lock').read_text()
    assert 'ended without a word (process 1 on' in said[0]
    assert not (work / 'lock').exists()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_run_ends_the_tool(config, work, number):
    process = fork_run(make_run(config, work, cam__pause=1))
    log = work / '01_cam/output.log'
    wait_for(lambda: (work / '01_cam/run/journal').exists())
    [tool] = writers(log)
    os.kill(process, number)  # the run alone, not its group
    assert os.waitpid(process, 0)[1] != 0
    assert is_dead(tool) and writers(log) == []
    assert not (work / 'lock').exists()


def is_dead(process: int) -> bool:
    stat = Path(f'/proc/{process}/stat')
    return not stat.exists() or ') Z ' in stat.read_text()


def test_what_a_killed_run_leaves_alive_is_ended(tmp_path, work):
    """torchrun's workers have sessions of their own: a kill doesn't reach them."""
    config = write_pipeline(
        tmp_path / 'configs',
        STAGES.replace(
            "config='net.py'),", "config='net.py', args=['--wait', '60']),", 1
        ),
    )
    process = fork_run(make_run(config, work))
    log = work / '01_cam/output.log'
    wait_for(lambda: log.exists() and 'pid ' in log.read_text())
    worker = int(log.read_text().split('pid ')[1].split()[0])
    kill_group(process)
    assert writers(log) == [worker]
    write_pipeline(tmp_path / 'configs')  # other arguments: the folder is put aside
    run = make_run(config, work)
    run_pipeline(run)
    assert 'cam: ended 1 processes that a killed run left' in run.show
    assert is_dead(worker) and run.show.actions()['cam'] == 'runs anew'


def lines_of_work(work: Path) -> int:
    return sum(len(p.read_text().splitlines()) for p in work.glob('0*/run/journal'))


def wait_until_done(
    process: int, work: Path, progress: int, delay: float
) -> int | None:
    """Wait for some more work and a moment; the exit status if the run ended first.

    Counted in work and not in seconds, so that a busy machine gets on as well.
    """
    wanted, deadline = lines_of_work(work) + progress, None
    while deadline is None or time.time() < deadline:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return status
        if deadline is None and lines_of_work(work) >= wanted:
            deadline = time.time() + delay
        time.sleep(0.002)
    return None


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_killed_at_random_moments(config, work, seed):
    """The end is that of a run that was never killed, and little is done twice."""
    chance = random.Random(seed)
    options = dict(all__pause=0.01)
    wanted = work.with_name('whole')
    run_pipeline(make_run(config, wanted, **options))
    kills, status = 0, None
    while status is None:
        process = fork_run(make_run(config, work, **options))
        status = wait_until_done(
            process,
            work,
            progress=chance.choice([0, 0, 3, 6, 9, 12]),
            delay=chance.choice([0.0, chance.uniform(0, 0.3)]),
        )
        if status is None:
            kill_group(process)
            kills += 1
        assert kills < 60
    assert status == 0
    assert kills > 2
    assert outputs(work) == outputs(wanted)
    assert not (work / 'aside').exists()
    # each kill loses at most an interval of 4 iterations, or one image
    for stage, most in (
        ('01_cam', 12 + 4 * kills),
        ('05_segmenter', 12 + 4 * kills),
        ('02_masks', 12 + kills),
    ):
        lines = (work / stage / 'run/journal').read_text().splitlines()
        assert 12 <= len(lines) <= most
    assert list(make_run(config, work, **options).selected) == NAMES
    assert actions(make_run(config, work, **options)) == ['skipped'] * 6
