# Licensed under Apache-2.0.
"""What the entry points do to a config before a runner is built."""

from __future__ import annotations

import datetime
import os
import re
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint
from torch import distributed

from mmwsss.env.cpu_bfloat16 import has_bfloat16
from mmwsss.io.checkpoint import have_weights, use_safe_checkpoints
from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import refuse_unwritable
from mmwsss.registry import PRETRAINED, name_of

from .inference_options import segmentor_cfg

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_SYNC_BN = {'SyncBN': 'BN', 'MMSyncBN': 'BN', 'SyncBatchNorm': 'BN'}


def prepare_run(
    cfg: Config,
    launcher: str = 'none',
    amp: bool = False,
    auto_scale_lr: bool = False,
    allow_pickle: bool = False,
) -> Config:
    """Fit a config to this machine; everything that both tools need.

    Args:
        cfg: Config; changed in place.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        amp: Train in mixed precision.
        auto_scale_lr: Scale the learning rate with the batch size.
        allow_pickle: Unpickle untrusted checkpoints, see
            :func:`mmwsss.io.checkpoint.use_safe_checkpoints`.

    Returns:
        ``cfg``.

    Raises:
        UserError: ``amp`` where nothing computes in half precision or with a foreign
            optimizer wrapper, or ``auto_scale_lr`` without a base batch size.
    """
    use_safe_checkpoints(allow_pickle)
    cfg.launcher = launcher
    guard_outputs(cfg)
    add_hook(cfg, 'ProvenanceHook')
    add_hook(cfg, 'DivergenceHook')
    add_hook(cfg, 'StopSignalHook')
    skip_pretrained_on_resume(cfg)
    fit_loaders(cfg)
    if amp:
        enable_amp(cfg)
    if auto_scale_lr:
        enable_auto_scale_lr(cfg)
    if not torch.cuda.is_available():
        prepare_for_cpu(cfg)
    return cfg


def guard_outputs(cfg: Config) -> None:
    """Let every run check its folders of outputs before it works, see the hook.

    Raises:
        OutputError: if the work dir is a file, or can't be written into.
    """
    if cfg.get('work_dir'):
        refuse_unwritable(cfg.work_dir, '--work-dir')
    add_hook(cfg, 'OutputGuardHook')


def add_hook(cfg: Config, name: str, **settings: Any) -> None:
    """Add a hook of mmwsss that every run has, unless the config names it."""
    hooks = cfg.get('custom_hooks') or []
    if not any(name_of(hook.get('type')) == name for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type=f'mmwsss.{name}', **settings)]


def fit_loaders(cfg: Config) -> None:
    """Without worker processes nothing of them is kept or fetched ahead.

    torch refuses such settings, which stand in the configs for their own workers.
    """
    for name in LOADERS:
        loader = cfg.get(name)
        if loader and loader.get('num_workers') == 0:
            loader.pop('prefetch_factor', None)
            loader.persistent_workers = False


def skip_pretrained_on_resume(cfg: Config) -> None:
    """Don't ask for ImageNet weights where a checkpoint of the run replaces them.

    A run can then be resumed without a network, or where that file is no more.
    """
    backbone = segmentor_cfg(cfg).get('backbone', {})
    init = backbone.get('init_cfg') or {}
    if not cfg.get('resume') or not (
        backbone.get('pretrained') or name_of(init.get('type')) in PRETRAINED
    ):
        return
    if cfg.get('load_from') or find_latest_checkpoint(cfg.get('work_dir', '')):
        if name_of(init.get('type')) in PRETRAINED:
            backbone.pop('init_cfg')
        if 'pretrained' in backbone:
            backbone['pretrained'] = None


def fetch_pretrained(cfg: Config) -> None:
    """Have the files that ``pretrained`` of the model's parts name, before it is built.

    In a run of several processes the first one of each machine looks; the others find
    what it fetched.

    Raises:
        FileNotFoundError, ConnectionError, UserError: if a file can't be had.
    """
    if int(os.environ.get('LOCAL_RANK', os.environ.get('SLURM_LOCALID', '0'))):
        return
    for source in pretrained_of(cfg.get('model')):
        have_weights(source)


def pretrained_of(node: Any) -> list[str]:
    """All values of ``pretrained`` below ``node`` that name a file or an address."""
    if isinstance(node, dict):
        own = node.get('pretrained')
        found = [own] if isinstance(own, str) else []
        return found + [each for part in node.values() for each in pretrained_of(part)]
    if isinstance(node, (list, tuple)):
        return [each for part in node for each in pretrained_of(part)]
    return []


def enable_amp(cfg: Config) -> None:
    """Switch the optimizer wrapper to mixed precision, on a GPU or a CPU.

    Raises:
        UserError: on a CPU that has no bfloat16 instructions, or if the config has a
            wrapper of its own.
    """
    on_gpu = torch.cuda.is_available()
    if not on_gpu and not has_bfloat16():
        raise UserError(
            '--amp needs a GPU or a processor with bfloat16 instructions (avx512_bf16, '
            'amx_bf16; Arm: bf16), and none is visible here, where it would be slower '
            'than float32: run without --amp, or check CUDA_VISIBLE_DEVICES.'
        )
    wrapper = 'AmpOptimWrapper' if on_gpu else 'CPUAmpOptimWrapper'
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', wrapper):
        raise UserError(
            f'--amp replaces OptimWrapper by {wrapper}, but the '
            f'config has optim_wrapper.type={kind!r}; set mixed precision '
            'there.'
        )
    cfg.optim_wrapper.type = wrapper
    if on_gpu:
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def enable_auto_scale_lr(cfg: Config) -> None:
    """Switch on the scaling by batch size that the config describes."""
    scale = cfg.get('auto_scale_lr')
    if not scale or 'base_batch_size' not in scale:
        raise UserError(
            '--auto-scale-lr needs auto_scale_lr=dict(enable=False, '
            'base_batch_size=N) in the config, N = images per iteration '
            'over all GPUs that its learning rates are meant for.'
        )
    scale.enable = True


def prepare_for_cpu(cfg: Config) -> None:
    """Undo what needs a GPU: SyncBN, pinned memory, NCCL, DDP's device ids.

    mmengine would call ``torch.cuda.set_device``; so the gloo group is made here,
    before the runner, which then leaves it alone.
    """
    for key in ('model', 'norm_cfg'):
        if cfg.get(key) is not None:
            replace_sync_bn(cfg[key])
    for loader in LOADERS:
        if cfg.get(loader):
            cfg[loader].pin_memory = False  # torch warns of it without a GPU
    if cfg.launcher == 'none':
        return
    wrapper = dict(cfg.get('model_wrapper_cfg') or {})
    wrapper.setdefault('type', 'MMDistributedDataParallel')
    wrapper.setdefault('broadcast_buffers', False)
    wrapper.setdefault(
        'find_unused_parameters', cfg.get('find_unused_parameters', False)
    )
    wrapper['device_ids'] = None
    cfg.model_wrapper_cfg = wrapper
    cfg.custom_hooks = [
        *(cfg.get('custom_hooks') or []),
        dict(type='NormStatisticsHook'),
    ]
    init_gloo(cfg.launcher, cfg.get('env_cfg', {}).get('dist_cfg', {}).get('timeout'))


def replace_sync_bn(node: Any) -> None:
    """Replace every ``type='SyncBN'`` below ``node`` by ``'BN'``, in place."""
    if isinstance(node, dict):
        kind = name_of(node.get('type'))
        if kind in _SYNC_BN:
            node['type'] = _SYNC_BN[kind]
        for value in node.values():
            replace_sync_bn(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            replace_sync_bn(value)


def init_gloo(launcher: str, timeout: float | None = None) -> None:
    """Start the process group on the CPU, unless there is one.

    Args:
        launcher: ``'pytorch'`` (``torchrun`` sets the variables) or ``'slurm'``.
        timeout: Seconds; None = torch's.

    Raises:
        UserError: Another launcher.
        KeyError: A variable that the launcher should have set is missing.
    """
    if distributed.is_initialized():
        return
    if launcher == 'slurm':
        _slurm_environment()
    elif launcher != 'pytorch':
        raise UserError(
            f'launcher={launcher!r} needs a GPU; on a CPU use '
            "'pytorch' (torchrun, tools/dist_train.sh) or 'slurm'"
        )
    lacking = [
        k
        for k in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')
        if k not in os.environ
    ]
    if lacking:
        raise KeyError(
            f'launcher={launcher!r}, but {lacking} are not set: start with '
            'torchrun, e.g. tools/dist_train.sh CONFIG 2'
        )
    extra = {} if timeout is None else dict(timeout=datetime.timedelta(seconds=timeout))
    distributed.init_process_group('gloo', **extra)


def _slurm_environment() -> None:
    """Translate Slurm's variables to torch's.

    Raises:
        UserError: The list of nodes can't be read.
        KeyError: Slurm hasn't set a variable.
    """
    env = os.environ
    env.setdefault('RANK', env['SLURM_PROCID'])
    env.setdefault('WORLD_SIZE', env['SLURM_NTASKS'])
    env.setdefault('LOCAL_RANK', env.get('SLURM_LOCALID', '0'))
    env.setdefault('MASTER_PORT', '29500')
    if 'MASTER_ADDR' not in env:  # 'gpu[03-05,9]' -> 'gpu03', 'a1,a2' -> 'a1'
        nodes = env['SLURM_STEP_NODELIST']
        first = re.match(r'([^\[,]+)(?:\[(\w+))?', nodes)
        if first is None:
            raise UserError(
                f'SLURM_STEP_NODELIST={nodes!r} names no node: set MASTER_ADDR to the '
                'node of the first process'
            )
        env['MASTER_ADDR'] = first.group(1) + (first.group(2) or '')
