# Licensed under Apache-2.0.
"""Test a model: ``python tools/test.py CONFIG CHECKPOINT``."""

from __future__ import annotations

import argparse

from mmengine.config import Config

from mmwsss.cli.arguments import (
    add_common_arguments,
    make_runner,
    parse,
    plain_errors,
    read_config,
    save_metrics,
)
from mmwsss.cli.inference_options import (
    POST_PROCESSOR_HELP,
    apply_post_processor,
    apply_tta,
    keep_photo_areas,
    save_masks,
    show_panels,
)
from mmwsss.cli.launch import prepare_run


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Test a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
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
    parser.add_argument('--post-processor', metavar='NAME', help=POST_PROCESSOR_HELP)
    add_common_arguments(parser)
    return parse(parser, argv)


def build_config(args: argparse.Namespace) -> Config:
    """The config of the test, with the command line merged in."""
    cfg = read_config(args)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.tta:
        apply_tta(cfg)
    if args.post_processor is not None:
        apply_post_processor(cfg, args.post_processor)
    if args.show_dir is not None:
        show_panels(cfg, args.show_dir)
    if args.out is not None:
        save_masks(cfg, args.out)
    keep_photo_areas(cfg)
    return prepare_run(cfg, args.launcher, allow_pickle=args.allow_pickle)


def main(argv: list[str] | None = None) -> None:
    """Test; write scores, also of each class, to ``metrics.json``, counts of photos
    to ``areas.npz``."""
    runner = make_runner(build_config(parse_args(argv)))
    metrics = runner.test()
    classes: dict[str, dict[str, float]] = {}
    for metric in runner.test_evaluator.metrics:
        classes |= getattr(metric, 'class_iou', {})
    save_metrics(metrics, runner.work_dir, classes)


if __name__ == '__main__':
    with plain_errors():
        main()
