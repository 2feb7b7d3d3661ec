# Licensed under Apache-2.0.
"""What the command lines of training and testing share."""

from __future__ import annotations

import argparse
import os
import os.path as osp
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmwsss.io.atomic_file import write_json
from mmwsss.io.errors import UserError

#: a class that a config names, built with a setting that it doesn't have
_UNKNOWN_SETTING = '__init__() got an unexpected keyword argument'
#: scores of a test, in its work dir
METRICS = 'metrics.json'
LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


class OptionsAction(DictAction):
    """``KEY=VALUE ...`` as a dict; what is no such pair is named."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Called by argparse."""
        for text in values:
            if not text.partition('=')[0] or '=' not in text:
                parser.error(
                    f'{option_string}: {text!r} is no KEY=VALUE; write it '
                    'without blanks, lists as "[a,b]"'
                )
        super().__call__(parser, namespace, values, option_string)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """``--cfg-options``, for :func:`merged_config`."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        metavar='KEY=VALUE',
        help='override settings, e.g. train_cfg.max_iters=2000 '
        'model.labeler.high_thr=0.65; lists as "[a,b]" without spaces',
    )


def add_picture(parser: argparse.ArgumentParser) -> None:
    """``--picture``, for tools that read pictures without the config of a data set."""
    parser.add_argument(
        '--picture',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='how pictures are read that are not 8-bit RGB, as picture=dict(...) of a '
        'data set: value_range=0,12000 or percentiles=2,98; bands=0,1,2; exif=ignore',
    )


def merged_config(args: argparse.Namespace) -> Config:
    """The config file with ``--cfg-options`` merged in."""
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    return cfg


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that ``tools/train.py`` and ``tools/test.py`` both have."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    add_cfg_options(parser)
    parser.add_argument(
        '--allow-pickle',
        action='store_true',
        help='unpickle checkpoints that hold code; only for files that you trust',
    )
    parser.add_argument(
        '--launcher',
        choices=LAUNCHERS,
        default='none',
        help='how the processes were started',
    )
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=int,
        default=0,
        help='set by some launchers',
    )


def parse(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace:
    """Parse the options; set the local rank for mmengine where the launcher didn't.

    Slurm and MPI have variables of their own, which are read when the process group
    starts and would be overruled by one that is set here.
    """
    args = parser.parse_args(argv)
    if args.launcher in ('none', 'pytorch'):
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def read_config(args: argparse.Namespace) -> Config:
    """The config file with ``--cfg-options`` and ``--work-dir`` merged in."""
    cfg = merged_config(args)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(args.config))[0]
        cfg.work_dir = osp.join('work_dirs', name)
    return cfg


def make_runner(cfg: Config) -> Runner:
    """The runner that the config asks for."""
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def save_metrics(metrics: Mapping[str, Any], work_dir: str | os.PathLike) -> None:
    """Write the scores of a test: once, by the first process, and whole.

    (mmengine's own file is written by every process, one over the other.)
    """
    if is_main_process():
        scores = {
            key: float(value)
            for key, value in metrics.items()
            if isinstance(value, Real)
        }
        write_json(scores, osp.join(work_dir, METRICS))


@contextmanager
def plain_errors() -> Iterator[None]:
    """End with the message alone where the user's settings or files are wrong."""
    try:
        yield
    except (UserError, FileNotFoundError) as error:
        raise SystemExit(f'error: {error}') from None
    except TypeError as error:
        if _UNKNOWN_SETTING not in str(error):
            raise
        raise SystemExit(
            f'error: {error}. Correct the setting in the config or in --cfg-options'
        ) from None
