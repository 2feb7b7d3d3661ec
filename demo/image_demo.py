# Licensed under Apache-2.0.
"""A checkpoint and photos in; masks and panels out. No labels are read.

    python demo/image_demo.py PHOTO.jpg CONFIG CHECKPOINT --out-dir out

PHOTO may be a folder. For each photo it writes ``NAME.png``, the predicted mask with
the palette of the data set, and ``NAME_panel.png``: photo · CAM · auxiliary CAM ·
pseudo label · prediction, with a legend. A photo that can't be read doesn't stop the
others: it is named at the end, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log
from PIL import Image
from torch import nn

from mmwsss.cli.arguments import OptionsAction, plain_errors
from mmwsss.cli.inference_options import POST_PROCESSOR_HELP
from mmwsss.io.atomic_file import write_picture
from mmwsss.io.data_errors import DataError
from mmwsss.io.image_files import photos_in
from mmwsss.io.label_png import save_label_png
from mmwsss.io.output_folder import claim_outputs
from mmwsss.io.pictures.georeference import copy_georeference, georeference_of
from mmwsss.io.pictures.reader import shown
from mmwsss.pipeline.inference import class_names, init_model, predict_image
from mmwsss.pipeline.photos import Photo, read_each, say_left_out
from mmwsss.pipeline.prediction_cost import LargePictures
from mmwsss.visualization.panels import compose_panel, sample_tiles
from mmwsss.visualization.samples import sample_outputs


def refuse_unplaced(found: list[Path]) -> None:
    """Refuse pictures without a georeference before anything is predicted.

    Raises:
        DataError: naming the first.
    """
    for photo in found:
        if not georeference_of(photo):
            raise DataError(
                photo, 'has no georeference, as a GeoTIFF has', 'leave out --geotiff'
            )


def outputs_of(found: Sequence[Path], geotiff: bool = False) -> list[tuple[str, str]]:
    """(file, photo) of all that is written."""
    ends = ('.png', '_panel.png', '.tif')[: 3 if geotiff else 2]
    return [(f'{photo.stem}{end}', str(photo)) for photo in found for end in ends]


def show_all(
    model: nn.Module,
    found: Sequence[Path],
    out_dir: Path,
    options: dict,
    geotiff: bool = False,
) -> dict[str, str]:
    """Predict all photos; gives the messages of those that can't be read."""
    failed: dict[str, str] = {}
    large = LargePictures(model, options, fewer_views=True)
    photos = [Photo(path.name, str(path), model.picture) for path in found]
    for photo, pixels in read_each(photos, failed):
        settings = options | large.overrides(pixels.shape[:2], photo.name)
        show(model, Path(photo.path), pixels, out_dir, settings, geotiff)
    return failed


def show(
    model: nn.Module,
    photo: Path,
    pixels: np.ndarray,
    out_dir: Path,
    options: dict,
    geotiff: bool = False,
) -> None:
    """Write the mask and the panel of one photo; of a GeoTIFF a GeoTIFF mask too."""
    sample = predict_image(model, pixels, **options)
    classes = class_names(model)
    palette = model.dataset_meta.get('palette')
    outputs = sample_outputs(sample, truth=False)
    if 'seg' in outputs:
        save_label_png(outputs['seg'], out_dir / f'{photo.stem}.png', palette)
        if geotiff:
            mask = out_dir / f'{photo.stem}.tif'
            copy_georeference(photo, outputs['seg'], mask, palette)
    predicted = []
    if 'pred_score' in sample:  # a plain segmentor doesn't classify
        predicted = (np.flatnonzero(sample.pred_score.cpu() > 0.5) + 1).tolist()
    tiles = sample_tiles(
        shown(pixels, model.picture), outputs, classes, palette, predicted
    )
    panel = compose_panel([tiles], classes, palette, heading=f'{photo.name}, predicted')
    write_picture(Image.fromarray(panel), out_dir / f'{photo.stem}_panel.png')


def main(argv: list[str] | None = None) -> int:
    """Command line; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('photo', type=Path, help='a photo, or a folder of photos')
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--out-dir', type=Path, default=Path('demo_out'))
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--test-cfg',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='entries of test_cfg to replace, e.g. input.squash=None cam_filter=none',
    )
    parser.add_argument('--post-processor', metavar='NAME', help=POST_PROCESSOR_HELP)
    parser.add_argument(
        '--geotiff',
        action='store_true',
        help='write each mask as NAME.tif too, at the place of its picture, a GeoTIFF',
    )
    args = parser.parse_args(argv)

    found = photos_in(args.photo)
    if args.geotiff:
        refuse_unplaced(found)
    read = [args.photo, args.config, args.checkpoint]
    claim_outputs(args.out_dir, outputs_of(found, args.geotiff), read, '--out-dir')
    test_cfg = Config({})
    test_cfg.merge_from_dict(args.test_cfg)  # a.b=c belongs to the group a
    model = init_model(args.config, args.checkpoint, args.device, args.post_processor)
    class_names(model)  # refused before a photo is read
    failed = show_all(model, found, args.out_dir, test_cfg.to_dict(), args.geotiff)
    print_log(f'{len(found) - len(failed)} masks and panels in {args.out_dir}')
    return say_left_out(failed, len(found))


if __name__ == '__main__':
    with plain_errors():
        sys.exit(main())
