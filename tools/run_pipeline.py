# Licensed under Apache-2.0.
"""Run the stages of a pipeline: ``python tools/run_pipeline.py CONFIG``.

What has finished with the same settings is skipped, what was interrupted goes on, what
has changed is run again with all that depends on it. docs/en/pipelines.md explains.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

from mmwsss.cli.arguments import OptionsAction
from mmwsss.pipeline.lock import BusyError
from mmwsss.pipeline.runner import PipelineRun, dry_run, run_pipeline, select
from mmwsss.pipeline.stage_options import with_options
from mmwsss.pipeline.stage_process import Interrupted, ToolError
from mmwsss.pipeline.stages import PipelineError, read_stages

ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='pipeline config')
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='folder of everything that is '
        "written; default: the config's, or work_dirs/NAME",
    )
    parser.add_argument('--from', dest='first', metavar='NAME', help='first stage')
    parser.add_argument('--to', dest='last', metavar='NAME', help='last stage')
    parser.add_argument('--only', metavar='NAME', help='this stage alone')
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='check everything, print the plan and its commands',
    )
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch'),
        default='none',
        help='pytorch: run the stages on several processes',
    )
    parser.add_argument(
        '--gpus',
        type=int,
        default=1,
        metavar='N',
        help='number of GPUs (without one: of CPU processes)',
    )
    parser.add_argument('--seed', type=int, help='randomness.seed of all stages')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='STAGE.KEY=VALUE',
        help='change a stage or its config, e.g. '
        'masks.refine=crf cam.train_cfg.max_iters=2000; "all.KEY=VALUE" for every '
        'config that has the place',
    )
    args = parser.parse_args(argv)
    if args.gpus < 1 or (args.gpus > 1 and args.launcher == 'none'):
        parser.error(
            f'--gpus {args.gpus}: several processes need --launcher pytorch, '
            'and there must be one at least'
        )
    return args


def build_run(args: argparse.Namespace) -> PipelineRun:
    """What the command line asks for, checked."""
    stages = with_options(read_stages(args.config), args.seed, args.cfg_options)
    given = Config.fromfile(args.config, import_custom_modules=False).get('work_dir')
    work_dir = args.work_dir or given or Path('work_dirs') / Path(args.config).stem
    return PipelineRun(
        stages,
        Path(work_dir).resolve(),
        ROOT,
        select(stages, args.first, args.last, args.only),
        args.gpus if args.launcher == 'pytorch' else 1,
    )


def main(argv: list[str] | None = None) -> int:
    """Run as the command line says; gives the exit code."""
    args = parse_args(argv)
    try:
        run = build_run(args)
        if args.dry_run:
            dry_run(run)
        else:
            print_log('\n' + run_pipeline(run))
    except (PipelineError, ToolError, BusyError, OSError) as error:
        print_log(f'error: {error}', level=logging.ERROR)
        return 1
    except KeyboardInterrupt as stop:
        name = stop if isinstance(stop, Interrupted) else 'Ctrl-C'
        print_log(f'\nstopped by {name}; the same command goes on', level=logging.ERROR)
        return 130
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
