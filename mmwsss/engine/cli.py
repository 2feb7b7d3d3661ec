# Licensed under Apache-2.0.
"""What the command lines of training and testing share."""

from __future__ import annotations

import argparse
import os
import os.path as osp
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmengine.config import Config, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmwsss.utils.checkpoint import UnsafeCheckpointError
from mmwsss.utils.errors import UserError
from mmwsss.utils.weights import CheckpointMismatch

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
USER_ERRORS = (UserError, CheckpointMismatch, UnsafeCheckpointError, FileNotFoundError)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that ``tools/train.py`` and ``tools/test.py`` both have."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override settings, e.g. train_cfg.max_iters=2000 '
        'model.train_cfg.high_thr=0.65; lists as "[a,b]" without spaces')
    parser.add_argument(
        '--allow-pickle', action='store_true',
        help='unpickle checkpoints that hold code; only for files that you trust')
    parser.add_argument(
        '--launcher', choices=LAUNCHERS, default='none',
        help='how the processes were started')
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0,
        help='set by some launchers')


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None
          ) -> argparse.Namespace:
    """Parse, and tell mmengine the local rank where the launcher didn't.

    Slurm and MPI have variables of their own, which are read when the process group
    starts and would be overruled by one that is set here.
    """
    args = parser.parse_args(argv)
    if args.launcher in ('none', 'pytorch'):
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def read_config(args: argparse.Namespace) -> Config:
    """The config file with ``--cfg-options`` and ``--work-dir`` merged in."""
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(args.config))[0]
        cfg.work_dir = osp.join('work_dirs', name)
    return cfg


def make_runner(cfg: Config) -> Runner:
    """The runner that the config asks for."""
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


@contextmanager
def plain_errors() -> Iterator[None]:
    """End with the message alone where the user's settings or files are wrong."""
    try:
        yield
    except USER_ERRORS as error:
        raise SystemExit(f'error: {error}') from None
