# Licensed under Apache-2.0.
"""Work shared by processes outside of mmengine's runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import (
    broadcast_object_list,
    get_dist_info,
    init_dist,
    is_distributed,
)
from mmengine.logging import print_log

from .launch import prepare_run


def start_processes(
    cfg: Config, launcher: str = 'none', allow_pickle: bool = False
) -> str:
    """Fit the config to this machine and join the other processes.

    Args:
        cfg: changed in place, see :func:`.launch.prepare_run`.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        allow_pickle: unpickle checkpoints that hold code.

    Returns:
        The device of this process.
    """
    prepare_run(cfg, launcher, allow_pickle=allow_pickle)
    if launcher != 'none' and not is_distributed():
        init_dist(launcher, **cfg.get('env_cfg', {}).get('dist_cfg', {}))
    if not torch.cuda.is_available():
        return 'cpu'
    return f'cuda:{torch.cuda.current_device()}'


def on_first_process(function: Callable[[], Any]) -> Any:
    """What a function gives on rank 0; an error there is raised everywhere.

    So all processes go by one look at the folder, and none waits for one that failed.
    """
    result: list[Any] = [None, None]
    if get_dist_info()[0] == 0:
        try:
            result[0] = function()
        except Exception as err:
            result[1] = err
    broadcast_object_list(result)
    if result[1] is not None:
        raise result[1]
    return result[0]


@contextmanager
def enter_on_first_process(context: AbstractContextManager) -> Iterator[None]:
    """A context that rank 0 enters for all; an error on entering is raised everywhere.

    Args:
        context: E.g. the lock of a folder that all processes write into. It gives
            nothing, or what can be pickled.
    """
    with ExitStack() as stack:
        on_first_process(partial(stack.enter_context, context))
        yield


def log_once(message: str) -> None:
    """Write one line to the log, from the first process alone."""
    print_log(message, logger='current')
