# Licensed under Apache-2.0.
"""Print a config with its bases merged."""

from __future__ import annotations

import argparse
import sys

from mmwsss.cli.arguments import add_cfg_options, merged_config, plain_errors
from mmwsss.io.output_folder import claim_file


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Print a whole config.')
    parser.add_argument('config', help='config file')
    parser.add_argument('--out', metavar='FILE', help='write it to .py, .yml or .json')
    add_cfg_options(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Merge, then print or write."""
    args = parse_args(argv)
    cfg = merged_config(args)
    if args.out is not None:
        claim_file(args.out, [args.config])
        cfg.dump(args.out)
    else:
        sys.stdout.write(cfg.pretty_text)


if __name__ == '__main__':
    with plain_errors():
        main()
