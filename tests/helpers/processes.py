# Licensed under Apache-2.0.
"""Run a function in several gloo processes, without tools or configs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def _run(rank: int, function: Callable, world: int, folder: str, args: tuple) -> None:
    torch.set_num_threads(1)
    store = f'file://{folder}/store'
    dist.init_process_group('gloo', init_method=store, rank=rank, world_size=world)
    torch.save(function(rank, *args), f'{folder}/rank{rank}.pth')
    dist.destroy_process_group()


def in_processes(
    function: Callable[..., Any], folder: Path, *args: Any, world: int = 2
) -> list[Any]:
    """What ``function(rank, *args)`` gives on each rank (tensors, plain containers).

    Args:
        function: at the top of a module, so that a new process finds it.
        folder: an empty one.
        world: number of processes.
    """
    mp.spawn(_run, (function, world, str(folder), args), nprocs=world)
    return [torch.load(folder / f'rank{r}.pth') for r in range(world)]
