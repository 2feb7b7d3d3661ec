# Licensed under Apache-2.0.
"""Training runs that tests compare: resumed or not, on one process or two.

The functions take any config whose run is short on a CPU, so that every method can be
put through them::

    assert_resume_is_exact(config, tmp_path, stop=3, total=6, workers=2, processes=1)
    assert_two_processes_agree(config, tmp_path)
    assert_gradient_is_mean_of_processes(config, tmp_path)
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.engine.hooks.iter_seed_hook import iteration_seed
from mmwsss.registry import MODELS

from .tool_runs import derive_config, train


def load(path: Path) -> Any:
    """A file that the test itself made; the tools may have forbidden pickles here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', raising=False)
        return torch.load(path, map_location='cpu', weights_only=False)


def assert_same(first: Any, second: Any, where: str = '') -> None:
    """Nested data is bit-equal."""
    assert type(first) is type(second), f'{where}: {type(first)}, {type(second)}'
    if isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype and torch.equal(first, second), where
    elif isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            assert_same(first[key], second[key], f'{where}.{key}')
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second), where
        for i, pair in enumerate(zip(first, second, strict=True)):
            assert_same(*pair, f'{where}[{i}]')
    else:
        assert first == second, f'{where}: {first!r}, {second!r}'


def worker_options(workers: int) -> dict[str, Any]:
    """``--cfg-options`` for the number of loader workers."""
    return {
        'train_dataloader.num_workers': workers,
        'train_dataloader.persistent_workers': workers > 0,
    }


def assert_resume_is_exact(
    config: str | Path,
    folder: Path,
    stop: int,
    total: int,
    workers: int = 0,
    processes: int = 1,
    options: dict[str, Any] | None = None,
    overrides: dict[str, Any] | None = None,
) -> None:
    """A run that goes on from its checkpoint ends bit-equal to one that never stopped.

    Compared: weights, optimizer state, schedules, on every rank.

    Args:
        config: Base config.
        folder: For the two runs.
        stop: Iteration whose checkpoint is resumed.
        total: Iterations of the whole run.
        workers: Loader workers.
        processes: Processes.
        options: Further ``--cfg-options``.
        overrides: Top-level settings (dictionaries) that the config is changed by.
    """
    derived = derive_config(config, folder, **(overrides or {}))
    settings = {
        'train_cfg.max_iters': total,
        'train_cfg.val_interval': total,
        'default_hooks.checkpoint.interval': stop,
        'default_hooks.checkpoint.max_keep_ckpts': -1,
        **worker_options(workers),
        **(options or {}),
    }
    whole, resumed = folder / 'whole', folder / 'resumed'
    train(derived, whole, processes=processes, options=settings)
    train(
        derived,
        resumed,
        '--resume',
        str(whole / f'iter_{stop}.pth'),
        processes=processes,
        options=settings,
    )
    ends = [load(run / f'iter_{total}.pth') for run in (whole, resumed)]
    for part in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_same(ends[0][part], ends[1][part], part)
    for rank in range(processes):
        first, second = (
            load(run / f'after_rank{rank}.pth') for run in (whole, resumed)
        )
        assert_same(first, second, f'rank {rank}')


def assert_two_processes_agree(
    config: str | Path,
    folder: Path,
    options: dict[str, Any] | None = None,
    overrides: dict[str, Any] | None = None,
) -> None:
    """Two gloo processes train through ``dist_train.sh`` and end with equal weights.

    They must have seen different images and moved.
    """
    derived = derive_config(config, folder, **(overrides or {}))
    run = folder / 'run'
    train(derived, run, processes=2, options=options)
    before, after, other = (
        load(run / f'{n}.pth') for n in ('before_rank0', 'after_rank0', 'after_rank1')
    )
    assert_same(after, other, 'rank 0 and rank 1')
    assert any(not torch.equal(before[k], after[k]) for k in before), 'nothing moved'
    first, second = (load(run / f'batch_rank{r}.pth')['inputs'] for r in range(2))
    assert not all(
        torch.equal(a, b) for a, b in zip(images_of(first), images_of(second))
    ), 'both ranks saw the same images'


def images_of(inputs: Any) -> list[torch.Tensor]:
    """Flat list of the images of a raw batch."""
    if isinstance(inputs, dict):
        return [image for view in inputs.values() for image in view]
    return list(inputs)


def assert_gradient_is_mean_of_processes(
    config: str | Path,
    folder: Path,
    batch_size: int = 2,
    seed: int = 0,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    lr: float = 1e-2,
    options: dict[str, Any] | None = None,
    overrides: dict[str, Any] | None = None,
) -> None:
    """One step at 2 × ``batch_size`` has the gradient of the definition.

    Each process averages its losses over its own images, then the gradients are
    averaged over the processes. One plain SGD step makes the gradient visible:
    (weights before − after) / lr.
    """
    derived = derive_config(
        config,
        folder,
        optim_wrapper=dict(
            _delete_=True, type='OptimWrapper', optimizer=dict(type='SGD', lr=lr)
        ),
        param_scheduler=[],
        **(overrides or {}),
    )
    run = folder / 'run'
    train(
        derived,
        run,
        processes=2,
        options={
            'train_cfg.max_iters': 1,
            'train_cfg.val_interval': 10,
            'train_dataloader.batch_size': batch_size,
            **(options or {}),
        },
    )
    before, after = (load(run / f'{n}_rank0.pth') for n in ('before', 'after'))
    mp.spawn(save_gradient, (2, derived, run, seed), nprocs=2)
    gradients = [load(run / f'gradient_rank{rank}.pth') for rank in range(2)]
    moved = 0
    for name in gradients[0]:
        mean = (gradients[0][name] + gradients[1][name]) / 2
        torch.testing.assert_close(
            after[name],
            before[name] - lr * mean,
            rtol=rtol,
            atol=atol,
            msg=lambda m, name=name: f'{name}: {m}',
        )
        moved += int(mean.abs().max() > 0)
    assert moved, 'no parameter has a gradient'


def save_gradient(rank: int, world: int, config: Path, run: Path, seed: int) -> None:
    """:func:`process_gradient` of one of several processes, for the batch that it had.

    They know of each other: a memory gathers its rows over all of them.
    """
    torch.set_num_threads(1)
    store = f'file://{run.resolve()}/store'
    dist.init_process_group('gloo', init_method=store, rank=rank, world_size=world)
    before, batch = (
        load(run / f'{n}.pth') for n in ('before_rank0', f'batch_rank{rank}')
    )
    gradient = process_gradient(config, before, batch, seed, rank)
    torch.save(gradient, run / f'gradient_rank{rank}.pth')
    dist.destroy_process_group()


def process_gradient(
    config: Path, weights: dict, batch: dict, seed: int, rank: int
) -> dict[str, torch.Tensor]:
    """Gradient of one process for its batch at iteration 0, without DDP."""
    cfg = Config.fromfile(config)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    model.load_state_dict(weights)
    model.train()
    number = iteration_seed(seed, rank, 0)
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
    data = model.data_preprocessor(batch, True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad
        for name, p in model.named_parameters()
        if p.requires_grad
    }
