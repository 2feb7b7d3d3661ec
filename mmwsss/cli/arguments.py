# Licensed under Apache-2.0.
"""What the command lines of training and testing share."""

from __future__ import annotations

import argparse
import logging
import math
import os
import os.path as osp
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.config.utils import ConfigParsingError
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmwsss.io.atomic_file import write_json
from mmwsss.io.errors import UserError

from .merge_options import merge_options
from .short_config import short_config_in_log

#: a class that a config names, built with a setting that it doesn't have
_UNKNOWN_SETTING = '__init__() got an unexpected keyword argument'
#: functions within which a config becomes objects
_BUILDING = ('__init__', 'build_from_cfg')
#: scores of a test, in its work dir
METRICS = 'metrics.json'
#: of config files
CONFIG_SUFFIXES = ('.py', '.json', '.yaml', '.yml')
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


class RenamedAction(argparse.Action):
    """An option by its old name: understood, with a note; ``dest`` is the new one's."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:
        kwargs |= dict(help=argparse.SUPPRESS, default=argparse.SUPPRESS)
        super().__init__(option_strings, dest, **kwargs)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Called by argparse."""
        print_log(f'{option_string} is called --{self.dest} now')
        setattr(namespace, self.dest, values)


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
        'data set: value_range=0,12000 or percentiles=2,98; bands=0,1,2; exif=ignore; '
        'background=white',
    )


def config_from(path: str | os.PathLike) -> Config:
    """A config file.

    Raises:
        UserError: if it is a file of another kind, as a checkpoint is.
        FileNotFoundError: if it isn't there.
    """
    if os.path.isfile(path) and Path(path).suffix not in CONFIG_SUFFIXES:
        raise UserError(
            f'{path} is no config by its suffix ({", ".join(CONFIG_SUFFIXES)}): give '
            'the config first, then the checkpoint'
        )
    return Config.fromfile(str(path))


def merged_config(args: argparse.Namespace) -> Config:
    """The config file with ``--cfg-options`` merged in."""
    cfg = config_from(args.config)
    merge_options(cfg, args.cfg_options or {})
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
    with short_config_in_log():
        return _built_runner(cfg)


def _built_runner(cfg: Config) -> Runner:
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def save_metrics(
    metrics: Mapping[str, Any],
    work_dir: str | os.PathLike,
    classes: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Write the scores of a test: once, by the first process, and whole.

    What isn't defined (NaN, which JSON doesn't know) is ``null``, and said once.

    (mmengine's own file is written by every process, one over the other.)

    Args:
        metrics: name → number.
        work_dir: its folder.
        classes: output → class → IoU in percent, for the entry ``classes``.
    """
    if is_main_process():
        found = {k: v for k, v in metrics.items() if isinstance(v, Real)}
        scores: dict[str, Any] = _defined(found)
        undefined = [key for key, value in scores.items() if value is None]
        if undefined:
            print_log(
                f'not defined on these pictures, null in {METRICS}: '
                + ', '.join(undefined),
                'current',
                logging.WARNING,
            )
        if classes:
            scores['classes'] = {name: _defined(of) for name, of in classes.items()}
        write_json(scores, osp.join(work_dir, METRICS))


def _defined(values: Mapping[str, Any]) -> dict[str, float | int | None]:
    """Numbers as JSON knows them: ``None`` for what isn't defined."""
    return {
        key: (value if isinstance(value, int) else float(value))
        if math.isfinite(value)
        else None
        for key, value in values.items()
    }


@contextmanager
def plain_errors(*also: type[Exception]) -> Iterator[None]:
    """End with the message alone where the user's settings or files are wrong.

    Every tool runs within it. A value that a class of the config refuses as it is built
    counts as the user's; an error of any other origin keeps its traceback.

    Args:
        *also: more kinds of errors that a tool expects (of its workers, say).
    """
    try:
        yield
    except (UserError, OSError, ConfigParsingError, *also) as error:
        raise SystemExit(f'error: {error}') from None
    except KeyboardInterrupt:
        print_log('\ninterrupted; run it again to go on', level=logging.ERROR)
        raise SystemExit(130) from None
    except TypeError as error:
        if _UNKNOWN_SETTING not in str(error):
            raise
        raise SystemExit(
            f'error: {error}. Correct the setting in the config or in --cfg-options'
        ) from None
    except ValueError as error:
        if not _of_a_setting(error):
            raise
        raise SystemExit(f'error: {error}') from None


def _of_a_setting(error: ValueError) -> bool:
    """Whether a value was refused by code of ours, or as an object was built."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    module = frames[-1].f_globals.get('__name__', '') if frames else ''
    built = any(frame.f_code.co_name in _BUILDING for frame in frames)
    return module.split('.')[0] in ('mmwsss', '__main__') or built
