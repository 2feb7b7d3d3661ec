# Licensed under Apache-2.0.
"""Test a model: ``python tools/test.py CONFIG CHECKPOINT``."""

from __future__ import annotations

import argparse
import os
import os.path as osp

from mmengine.config import Config, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmwsss.engine.launch import prepare_run
from mmwsss.engine.test_options import apply_tta, save_masks, show_panels


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Test a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument('--work-dir', help='folder for logs')
    parser.add_argument(
        '--out', metavar='DIR', help='write predictions as palette PNG masks'
    )
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='write a panel per image (image, CAM, labels, prediction, truth)',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help="use the config's tta_cfg (scales, mirror, CRF) in model.test_cfg",
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override settings of the config',
    )
    parser.add_argument(
        '--allow-pickle',
        action='store_true',
        help='unpickle checkpoints that hold code; only for files that you trust',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
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
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def build_config(args: argparse.Namespace) -> Config:
    """The config of the test, with the command line merged in."""
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(args.config))[0]
        cfg.work_dir = osp.join('work_dirs', name)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.tta:
        apply_tta(cfg)
    if args.show_dir is not None:
        show_panels(cfg, args.show_dir)
    if args.out is not None:
        save_masks(cfg, args.out)
    return prepare_run(cfg, args.launcher, allow_pickle=args.allow_pickle)


def main(argv: list[str] | None = None) -> None:
    """Build the runner and test."""
    cfg = build_config(parse_args(argv))
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    runner.test()


if __name__ == '__main__':
    main()
