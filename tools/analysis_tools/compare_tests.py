# Licensed under Apache-2.0.
"""Is one tested network better than another, or is it the choice of photos?

::

    python tools/analysis_tools/compare_tests.py WORK_DIR_A WORK_DIR_B [--output seg]

reads the counts of each photo that ``tools/test.py`` left in two work dirs
(``areas.npz``) and prints the mean IoU of both and their difference with a 95 %
interval of a paired bootstrap over the photos. An interval that holds 0 decides
nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.logging import print_log

from mmwsss.cli.arguments import plain_errors
from mmwsss.cli.inference_options import AREAS
from mmwsss.evaluation.photo_areas import (
    Difference,
    mean_iou,
    paired_difference,
    read_photo_areas,
)
from mmwsss.io.errors import UserError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('first', type=Path, help='work dir of a test, or its file')
    parser.add_argument('second', type=Path, help='what it is compared with')
    parser.add_argument(
        '--output',
        default='seg',
        help='what is compared: seg, cam, aux_cam or pseudo; A:B where they differ',
    )
    return parser.parse_args(argv)


def compare(
    first: Path, second: Path, output: str = 'seg'
) -> tuple[float, float, Difference]:
    """Mean IoU of two tests on the same photos, and their difference.

    Args:
        first, second: ``areas.npz``, or the folder that holds it.
        output: ``'seg'``, ``'cam'``, …; ``'seg:cam'`` compares the segmentation of the
            first with the CAM of the second.

    Raises:
        UserError: if the files hold other photos, or lack the output.
    """
    outputs = output.partition(':')
    found = []
    for path, name in ((first, outputs[0]), (second, outputs[2] or outputs[0])):
        file = path / AREAS if path.is_dir() else path
        names, areas = read_photo_areas(file)
        if name not in areas:
            raise UserError(f'{file} holds no {name!r}; it holds {sorted(areas)}')
        found.append((names, areas[name]))
    (names, one), (others, two) = found
    if names != others:
        raise UserError(
            f'{first} and {second} are tests on other photos ({len(names)} and '
            f'{len(others)}): test both on the same split'
        )
    values = [float(mean_iou(of.sum(0))) for of in (one, two)]
    return (*values, paired_difference(one, two))


def main(argv: list[str] | None = None) -> None:
    """Compare and print."""
    args = parse_args(argv)
    first, second, difference = compare(args.first, args.second, args.output)
    print_log(
        f'{args.output}: {first:.1f} against {second:.1f} mIoU, {difference} points '
        '(95 % interval)'
    )


if __name__ == '__main__':
    with plain_errors():
        main()
