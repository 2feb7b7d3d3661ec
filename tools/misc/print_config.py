# Licensed under Apache-2.0.
"""Print a config with its bases merged."""

from __future__ import annotations

import argparse
import sys

from mmengine.config import Config, DictAction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Print a whole config.')
    parser.add_argument('config', help='config file')
    parser.add_argument('--out', metavar='FILE', help='write it to .py, .yml or .json')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override settings',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Merge, then print or write."""
    args = parse_args(argv)
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.out is not None:
        cfg.dump(args.out)
    else:
        sys.stdout.write(cfg.pretty_text)


if __name__ == '__main__':
    main()
