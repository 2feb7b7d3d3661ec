# Licensed under Apache-2.0.
"""Convert checkpoints of FSR's released code to mmwsss.

    python tools/model_converters/fsr.py student.pth fsr_vit-b_voc.pth \
        --teacher teacher.pth

The released code writes the two networks as two files; ours hold both. Strict: every
key must be of that layout. Nobody published such files; this is for those who trained
with that code. The result is a plain file of tensors.
"""

from __future__ import annotations

import argparse
from functools import partial

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.checkpoint import load_checkpoint_file, use_safe_checkpoints
from mmwsss.io.convert_file import convert_file
from mmwsss.methods.fsr.fsr_keys import convert_fsr


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', help='student.pth of the released code')
    parser.add_argument('target', help='where to write ours')
    parser.add_argument(
        '--teacher', help='teacher.pth; without it the teacher is a copy of the student'
    )
    args = parser.parse_args(argv)
    use_safe_checkpoints()
    teacher = args.teacher and load_checkpoint_file(args.teacher, map_location='cpu')
    convert_file(args.source, args.target, partial(convert_fsr, teacher=teacher))


if __name__ == '__main__':
    with plain_errors():
        main()
