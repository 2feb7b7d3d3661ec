# Licensed under Apache-2.0.
"""The command-line tools and the runner, started from a test on the CPU."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmwsss.cli.launch import prepare_run

from .config_files import find_config, load_config, source_folder

#: seconds after which a run counts as hanging
TIMEOUT = 600


def child_environment() -> dict[str, str]:
    """The variables of a tool that runs on the CPU.

    It finds mmwsss, the packages of the working directory, and those of
    ``PYTHONPATH``: a test whose package lies elsewhere sets that.
    """
    paths = [str(source_folder()), str(Path.cwd()), os.environ.get('PYTHONPATH', '')]
    return {
        **os.environ,
        'CUDA_VISIBLE_DEVICES': '-1',
        'OMP_NUM_THREADS': '1',
        'PYTHONPATH': os.pathsep.join(filter(None, paths)),
        'PORT': str(free_port()),
        'PYTHON': sys.executable,
    }


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def run_tool(tool: str, *arguments: object, check: bool = True) -> str:
    """Run a tool of mmwsss on the CPU.

    Args:
        tool: its file, such as ``tools/test.py``.
        *arguments: of its command line.
        check: fail when the tool fails.

    Returns:
        All that it prints.
    """
    command = [sys.executable, source_folder() / tool, *arguments]
    done = subprocess.run(
        [str(part) for part in command],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    text = done.stdout + done.stderr
    assert not (check and done.returncode), text[-4000:]
    return text


def train(
    config: str | Path,
    work_dir: Path,
    *arguments: str,
    processes: int = 1,
    options: dict[str, Any] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess:
    """Run ``tools/train.py`` (or ``dist_train.sh``) on the CPU.

    Args:
        config: Config file.
        work_dir: Where the run writes.
        *arguments: Further arguments of ``tools/train.py``.
        processes: 1, or more through ``tools/dist_train.sh``.
        options: ``--cfg-options``.
        check: Fail when the run fails.

    Returns:
        The finished process with its output.
    """
    tail = [str(find_config(config)), '--work-dir', str(work_dir), *arguments]
    if options:
        tail += ['--cfg-options', *(f'{k}={v}' for k, v in options.items())]
    tools = source_folder() / 'tools'
    command = (
        [sys.executable, str(tools / 'train.py'), *tail]
        if processes == 1
        else ['bash', str(tools / 'dist_train.sh'), tail[0], str(processes), *tail[1:]]
    )
    done = subprocess.run(
        command,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    if check and done.returncode:
        raise AssertionError(f'{command} failed:\n{done.stdout}\n{done.stderr}')
    return done


def derive_config(config: str | Path, folder: Path, **options: Any) -> Path:
    """A config in ``folder`` on top of ``config`` that also dumps each rank's state.

    Args:
        config: Base config.
        folder: Where the derived file goes.
        **options: Settings that the file adds, as top-level names.

    Returns:
        Path of the new config.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = find_config(config).resolve()
    base = Config.fromfile(path)
    imports = list(base.get('custom_imports', {}).get('imports', []))
    imports.append('mmwsss.testing.rank_dump_hook')
    lines = [
        f'_base_ = [{str(path)!r}]',
        f'custom_imports = dict(imports={imports}, allow_failed_imports=False)',
        'custom_hooks = [*_base_.custom_hooks, dict(type="RankDumpHook")]',
    ]
    lines += [f'{name} = {value!r}' for name, value in options.items()]
    derived = folder / 'derived.py'
    derived.write_text('\n'.join(lines) + '\n')
    return derived


def build_runner(config: str | Path, work_dir: Path, **options: Any) -> Runner:
    """A runner in this process, with mmengine's named singletons kept apart.

    Args:
        config: Config file.
        work_dir: Where the run writes.
        **options: Settings by dotted name, with ``__`` for the dot.
    """
    cfg = load_config(config)
    cfg.merge_from_dict({k.replace('__', '.'): v for k, v in options.items()})
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = uuid.uuid4().hex
    cfg.visualizer = None
    return Runner.from_cfg(prepare_run(cfg))
