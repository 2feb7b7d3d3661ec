# Licensed under Apache-2.0.
"""The pool: order, errors, a bounded look-ahead, and nobody who waits for the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mmwsss.pipeline.workers import Workers, parallel_map

ROOT = Path(__file__).resolve().parents[2]
KINDS = dict(here=(0, False), threads=(2, True), processes=(2, False))
SCRIPT = """
import os, signal, sys, time
from mmwsss.pipeline.workers import Workers, parallel_map

def work(task):
    print('worker', os.getpid(), flush=True)
    if task == 'die':
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(task)

if __name__ == '__main__':
    %s
"""


def threads_and_square(task: int) -> tuple[int, int]:
    return torch.get_num_threads(), task**2


def fail_at_three(task: int) -> int:
    if task == 3:
        raise ValueError('no such task: 3')
    return task


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('ordered', [True, False])
def test_each_task_comes_with_its_result(kind: str, ordered: bool) -> None:
    count, threads = KINDS[kind]
    with Workers(count, threads=threads) as pool:
        found = list(pool.map(threads_and_square, range(20), ordered))
    assert {task: square for task, (_, square) in found} == {
        task: task**2 for task in range(20)
    }
    if ordered:
        assert [task for task, _ in found] == list(range(20))
    if kind == 'processes':
        assert {number for _, (number, _) in found} == {1}


@pytest.mark.parametrize('kind', KINDS)
def test_errors_come_up(kind: str) -> None:
    count, threads = KINDS[kind]
    with (
        pytest.raises(ValueError, match='no such task: 3'),
        Workers(count, threads=threads) as pool,
    ):
        list(pool.map(fail_at_three, range(1000)))


def test_tasks_are_taken_as_workers_become_free() -> None:
    """The maps of thousands of images are never in memory at once."""
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for task in range(4, 104):
            taken += 1
            yield task

    with Workers(2, threads=True) as pool:
        for done, _ in enumerate(pool.map(fail_at_three, tasks())):
            assert taken - done <= 8


def test_a_list_is_quiet_where_there_is_no_terminal(capfd) -> None:
    assert parallel_map(fail_at_three, [1, 2], 2) == [1, 2]
    assert parallel_map(fail_at_three, [1, 2], 0) == [1, 2]
    assert parallel_map(fail_at_three, [], 2) == []
    assert capfd.readouterr().err == ''  # no terminal, and less than a minute


def start(tmp_path: Path, call: str) -> subprocess.Popen:
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT % call)
    return subprocess.Popen(
        [sys.executable, str(script)],
        env=os.environ | dict(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    'call',
    [
        "parallel_map(work, [0, 0, 'die', *[0] * 50], 2)",
        'with Workers(2) as pool:\n'
        "        list(pool.map(work, ['die', *[0] * 50], ordered=False))",
    ],
)
def test_a_killed_worker_is_an_error(tmp_path: Path, call: str) -> None:
    """Never a wait without end (multiprocessing.Pool waits for the dead)."""
    process = start(tmp_path, call)
    try:
        _, text = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 1
    assert 'RuntimeError: a worker process was killed' in text, text


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """A parent that is killed can't end them; they'd wait for tasks for ever."""
    process = start(tmp_path, 'parallel_map(work, [0, 0, 600, 600], 2)')
    workers = set()
    while len(workers) < 2:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        if line.startswith('worker'):
            workers.add(int(line.split()[1]))
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.time() + 20
    while any(map(is_alive, workers)):
        assert time.time() < deadline, f'of the workers {workers} some are alive'
        time.sleep(0.1)


def is_alive(process: int) -> bool:
    stat = Path(f'/proc/{process}/stat')
    try:
        return ') Z ' not in stat.read_text()
    except OSError:
        return False
