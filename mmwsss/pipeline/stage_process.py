# Licensed under Apache-2.0.
"""Run one tool: its log, what of it is shown, and its end."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple

from .lock import BusyError, end_writers, try_lock

Echo = Callable[[str], None]


class Cost(NamedTuple):
    """What a tool took.

    Attributes:
        seconds: from its start to its end.
        peak_mib: the most memory that its process held at once, in MiB; workers that
            load data aren't in it.
    """

    seconds: float
    peak_mib: float


_POLL = 0.1
_OWN_END, _GRACE = 2.0, 20.0  # seconds
_MARKS = re.compile(
    r'(Iter\((?:train|val|test)\)|Epoch\(|\w*Error\b|^error: |resumed|'
    r'All \d+ iterations are done|'
    r'(?:(?<= - )|^)(?:(?! - ).)*GROUND-TRUTH).*'
)  # this one from its beginning
_BAR = re.compile(r'(\d+/\d+, |\d+%\|).*')
_BAR_SECONDS = 15.0


class ToolError(RuntimeError):
    """A tool failed, or left nothing; names its log."""


class Interrupted(KeyboardInterrupt):
    """The run was ended by a signal other than Ctrl-C."""


def run_command(
    command: Sequence[str],
    log: Path,
    echo: Echo,
    root: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Cost:
    """Run ``python COMMAND`` to its end; all output goes to ``log``.

    The tool and all its processes print right into the file, and hold its lock while
    they live, so that :func:`end_leftovers` finds what a killed run has left. If
    this call is interrupted, the tool is ended before the interruption goes on.

    Args:
        command: arguments after ``python``.
        log: file that the output is appended to.
        echo: gets every line of it.
        root: folder of ``mmwsss``, put on the tool's path.
        cwd: working directory of the tool; ``None``: this process's.
        env: further variables of the tool's environment.

    Returns:
        The time and memory that it took.

    Raises:
        ToolError: if it fails; its last lines are in the message.
    """
    with open(log, 'ab') as file:
        try_lock(file)
        file.write(
            f'\n{time.strftime("%Y-%m-%d %H:%M:%S")} $ python '
            f'{shlex.join(command)}\n'.encode()
        )
        file.flush()
        start = time.monotonic()
        code, peak = _follow(command, file, log, echo, cwd, _environment(root, env))
    if code:
        raise ToolError(
            f'{shlex.join(command)}\nfailed with code {code}; the whole output is in '
            f'{log}. It ends:\n{tail(log)}'
        )
    return Cost(time.monotonic() - start, peak)


def end_leftovers(log: Path) -> int:
    """End what a killed run has left at work in a stage.

    A kill reaches the run's process group, but the workers of torchrun, for one, have
    sessions of their own and would go on writing checkpoints.

    Returns:
        Number of processes that were ended.

    Raises:
        BusyError: if a process of another machine still prints to the log.
    """
    if not log.exists():
        return 0
    left = end_writers(log)
    with open(log, 'ab') as file:
        if not try_lock(file):
            raise BusyError(
                f'a process of an earlier run still writes {log}, perhaps '
                'on another machine: end it'
            )
    return len(left)


def _environment(root: Path, more: Mapping[str, str] | None) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(root), os.environ.get('PYTHONPATH'))))
    return os.environ | dict(PYTHONPATH=path, PYTHONUNBUFFERED='1') | dict(more or {})


def _follow(
    command: Sequence[str],
    file: IO[bytes],
    log: Path,
    echo: Echo,
    cwd: Path | None,
    env: Mapping[str, str],
) -> tuple[int, float]:
    """Wait for a tool's end; its exit code and peak memory in MiB."""
    peak = 0.0
    with open(log, 'rb') as reader:
        reader.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=env,
        )
        try:
            while (ended := _ended(process)) is None:
                time.sleep(_POLL)
                _pass_on(reader, echo)
            peak = ended
        except BaseException as error:
            _stop(process, told=isinstance(error, Interrupted))
            raise
        finally:
            end_writers(log)
        _pass_on(reader, echo)
    return process.returncode, peak


def _ended(process: subprocess.Popen) -> float | None:
    """Peak memory (MiB) of a process that has ended, ``None`` while it runs.

    ``Popen.poll`` would take the exit status and drop what the process has used.
    """
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if pid == 0:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / 1024


def _pass_on(reader: IO[bytes], echo: Echo) -> None:
    """Hand the new whole lines of the log to ``echo``; bars end theirs by a return."""
    new = reader.read()
    whole = max(new.rfind(b'\n'), new.rfind(b'\r')) + 1
    reader.seek(whole - len(new), os.SEEK_CUR)
    for line in re.split(r'[\r\n]+', new[:whole].decode(errors='replace')):
        if line.strip():
            echo(line.rstrip())


def _stop(process: subprocess.Popen, told: bool = False) -> None:
    """Let it end by itself (a terminal's Ctrl-C reaches it too), ask, then insist.

    Where this run was ``told`` to end by a signal, so is the tool: a training then
    writes a checkpoint first.
    """
    grace = 0.0 if told else _OWN_END
    ask = [signal.SIGTERM, signal.SIGINT] if told else [signal.SIGINT, signal.SIGTERM]
    for number in (*ask, signal.SIGKILL, None):
        try:
            process.wait(grace)
            return
        except subprocess.TimeoutExpired:
            grace = _GRACE
        if number is not None:
            process.send_signal(number)


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log."""
    text = log.read_text(errors='replace')[-20000:]
    return '\n'.join(re.split(r'[\r\n]+', text.strip())[-lines:])


def progress(show: Echo, name: str) -> Echo:
    """Shows what of a tool's lines tells how far it is, and not too much of it."""
    last = 0.0

    def echo(line: str) -> None:
        nonlocal last
        found = _MARKS.search(line)
        if found is None and time.monotonic() - last > _BAR_SECONDS:
            found = _BAR.search(line)
        if found is not None:
            last = time.monotonic()
            show(f'{name} | {found[0][:150]}')

    return echo


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a run as tidily as Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can handle signals
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted(signal.Signals(number).name)

    before = {n: signal.signal(n, interrupt) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
