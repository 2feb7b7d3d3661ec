# Licensed under Apache-2.0.
"""Train a model: ``python tools/train.py CONFIG``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.config import Config

from mmwsss.cli.arguments import (
    add_common_arguments,
    make_runner,
    parse,
    plain_errors,
    read_config,
)
from mmwsss.cli.finished import say_finished
from mmwsss.cli.launch import add_hook, fetch_pretrained, prepare_run
from mmwsss.cli.processes import enter_on_first_process
from mmwsss.cli.resuming import check_resumable, requeued
from mmwsss.pipeline.lock import OUTPUT_LOCK, BusyError, folder_lock


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Train a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue a run: from its last checkpoint in the work dir, or from '
        'CHECKPOINT',
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision (GPU, or CPU with bfloat16)'
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate linearly with the batch size',
    )
    parser.add_argument(
        '--keep-going',
        action='store_true',
        help='train on where a loss or a weight is NaN or infinite, which otherwise '
        'ends the run',
    )
    add_common_arguments(parser)
    return parse(parser, argv)


def build_config(args: argparse.Namespace) -> Config:
    """The config of the run, with the command line merged in."""
    cfg = read_config(args)
    resume = args.resume or requeued(cfg.work_dir)
    if resume is not None:
        cfg.resume = True
        cfg.load_from = None if resume == 'auto' else resume
        if resume == 'auto':
            check_resumable(cfg.work_dir)
    if args.keep_going:
        add_hook(cfg, 'DivergenceHook', keep_going=True)
    cfg = prepare_run(
        cfg, args.launcher, args.amp, args.auto_scale_lr, args.allow_pickle
    )
    fetch_pretrained(cfg)
    return cfg


def main(argv: list[str] | None = None) -> None:
    """Build the runner and train; tell what came of it and what comes next."""
    args = parse_args(argv)
    runner = make_runner(build_config(args))
    lock = folder_lock(Path(runner.work_dir), '--work-dir', OUTPUT_LOCK)
    with enter_on_first_process(lock):
        runner.train()
    say_finished(runner, None if args.cfg_options else args.config)


if __name__ == '__main__':
    with plain_errors(BusyError):
        main()
