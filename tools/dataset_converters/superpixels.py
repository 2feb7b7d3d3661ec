# Licensed under Apache-2.0.
"""Cut pictures into superpixels, for labels that are voted over segments.

::

    python tools/dataset_converters/superpixels.py IMAGES OUT
    python tools/dataset_converters/superpixels.py IMAGES OUT --method felzenszwalb
    python tools/dataset_converters/superpixels.py MASKS OUT --method components

OUT gets a PNG of 16 bits a picture, the number of each pixel's segment, as
``side_inputs=dict(segments=dict(dir=OUT, kind='segments'))``, --segments OUT of
tools/generate_pseudo_labels.py and of tools/refine_labels.py read it
(docs/en/labelers.md). No network is needed. ``components`` cuts masks of class ids into
their connected regions instead, 255 being no segment: with true masks the best that
segments can do. What is there is kept: run it again to resume; a folder of other
settings is refused, unless with --overwrite. Needs scikit-image:
pip install "mmwsss[superpixels]".
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from PIL import Image
from scipy import ndimage

from mmwsss.cli.arguments import add_picture, plain_errors
from mmwsss.datasets.readers.reading import read_names
from mmwsss.datasets.side_inputs.ids_kind import decode_mask
from mmwsss.io.atomic_file import is_whole, write_picture
from mmwsss.io.errors import UserError
from mmwsss.io.image_files import image_stem, images_below
from mmwsss.io.output_folder import claim_outputs
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import read_rgb
from mmwsss.io.provenance import MANIFEST
from mmwsss.pipeline.manifest import claim_folder
from mmwsss.pipeline.workers import parallel_map

#: largest number that a PNG of 16 bits holds
MOST = 65535
#: method → its settings and their defaults
METHODS: dict[str, dict[str, Any]] = dict(
    slic=dict(segments=200, compactness=10.0, sigma=1.0),
    felzenszwalb=dict(scale=100.0, sigma=0.8, min_size=50),
    components={},
)


def slic(pixels: np.ndarray, segments: int, compactness: float, sigma: float):
    """Clusters of colour and place (Achanta et al., TPAMI 2012), numbered from 1."""
    from skimage.segmentation import slic as cut  # an optional package

    return cut(
        pixels,
        n_segments=segments,
        compactness=compactness,
        sigma=sigma,
        start_label=1,
    )


def felzenszwalb(pixels: np.ndarray, scale: float, sigma: float, min_size: int):
    """Felzenszwalb and Huttenlocher (IJCV 2004), numbered from 1."""
    from skimage.segmentation import felzenszwalb as cut

    return cut(pixels, scale=scale, sigma=sigma, min_size=min_size) + 1


def components(ids: np.ndarray) -> np.ndarray:
    """Connected regions (by sides and corners) of each id but 255, numbered from 1."""
    out, count = np.zeros(ids.shape, np.int64), 0
    for value in np.unique(ids[ids != 255]):
        regions, found = ndimage.label(ids == value, np.ones((3, 3)))
        out[regions > 0] = regions[regions > 0] + count
        count += found
    return out


def cut_one(
    method: str,
    settings: dict[str, Any],
    picture: dict[str, str] | None,
    task: tuple[Path, Path],
) -> int:
    """Write the segments of one picture; gives their number.

    Raises:
        DataError: if the picture can't be read.
        UserError: if there are more than a file can number.
    """
    source, out = task
    if method == 'components':
        segments = components(decode_mask(source.read_bytes(), str(source)))
    else:
        pixels = read_rgb(str(source), PictureRule.of(picture))
        segments = dict(slic=slic, felzenszwalb=felzenszwalb)[method](
            pixels, **settings
        )
    if segments.max() > MOST:
        raise UserError(
            f'{source} has {segments.max()} segments, a file numbers {MOST}: cut '
            'coarser'
        )
    write_picture(Image.fromarray(segments.astype(np.uint16)), out)
    return len(np.unique(segments[segments > 0]))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('images', metavar='IN', type=Path, help='folder of pictures')
    parser.add_argument('out', metavar='OUT', type=Path, help='folder for segments')
    parser.add_argument('--method', choices=METHODS, default='slic')
    parser.add_argument(
        '--segments', type=int, help='slic: about how many; default 200'
    )
    parser.add_argument(
        '--compactness',
        type=float,
        help='slic: how much place counts against colour; default 10',
    )
    parser.add_argument(
        '--scale',
        type=float,
        help='felzenszwalb: larger gives larger ones; default 100',
    )
    parser.add_argument(
        '--min-size', type=int, help='felzenszwalb: pixels of the smallest; default 50'
    )
    parser.add_argument(
        '--sigma', type=float, help='blur before; default 1 (slic), 0.8 (felzenszwalb)'
    )
    parser.add_argument(
        '--list',
        metavar='FILE',
        help='names to cut, first word of a line; default: all',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='cut pictures again that are there'
    )
    add_picture(parser)
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    return parser.parse_args(argv)


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of the method.

    Raises:
        UserError: if one is of another method, or out of range.
    """
    settings = dict(METHODS[args.method])
    names = {name for method in METHODS.values() for name in method}
    for name in sorted(names):
        value = getattr(args, name)
        if value is None:
            continue
        option = f'--{name.replace("_", "-")}'
        if name not in settings:
            raise UserError(f'{option} is no setting of --method {args.method}')
        if value < 0 or (value == 0 and name != 'sigma'):
            raise UserError(f'{option} must be positive, got {value}')
        settings[name] = value
    return settings


def require(method: str) -> None:
    """Refuse to begin without the package that cuts.

    Raises:
        UserError: with the command that installs it.
    """
    if method == 'components':
        return
    try:
        import skimage.segmentation  # noqa: F401  slow, and only these methods need it
    except ImportError as err:
        raise UserError(
            'superpixels are cut by scikit-image, which is not installed: '
            'pip install "mmwsss[superpixels]"'
        ) from err


def sources_in(folder: Path, listed: str | None) -> list[Path]:
    """The pictures to cut.

    Raises:
        UserError: if there is none, or a name of the list has none.
    """
    found = images_below(folder)
    if not found:
        raise UserError(f'{folder} holds no pictures: give the folder of your images')
    if listed is None:
        return found
    by_name = {image_stem(p.relative_to(folder).as_posix()): p for p in found}
    names = [image_stem(name) for name in read_names(listed)]
    lacking = [name for name in names if name not in by_name]
    if lacking:
        raise UserError(
            f'{folder} has no picture of {len(lacking)} names of {listed} (first: '
            f'{lacking[0]}): correct the list'
        )
    return [by_name[name] for name in names]


def main(argv: list[str] | None = None) -> None:
    """Cut all pictures; say how many segments there are."""
    args = parse_args(argv)
    settings = settings_of(args)
    require(args.method)
    sources = sources_in(args.images, args.list)
    names = [path.relative_to(args.images).with_suffix('.png') for path in sources]
    planned = zip(map(Path.as_posix, names), map(str, sources), strict=True)
    outputs = [*planned, (MANIFEST, str(args.images))]
    claim_outputs(args.out, outputs, [args.images], option='OUT')
    if args.overwrite:
        (args.out / MANIFEST).unlink(missing_ok=True)
    claim_folder(args.out, dict(method=args.method, settings=settings))
    tasks = [(path, args.out / name) for path, name in zip(sources, names)]
    todo = [task for task in tasks if args.overwrite or not is_whole(task[1])]
    one = partial(cut_one, args.method, settings, args.picture)
    counts = parallel_map(one, todo, args.workers)
    mean = f', {np.mean(counts):.0f} segments each' if counts else ''
    print_log(
        f'{len(todo)} pictures cut into {args.out}{mean}; {len(tasks) - len(todo)} '
        'were there'
    )


if __name__ == '__main__':
    with plain_errors():
        main()
