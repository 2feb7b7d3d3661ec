# Licensed under Apache-2.0.
"""A model and photos in; masks and panels out. No labels are read.

    python demo/image_demo.py PHOTO.jpg CONFIG CHECKPOINT --out-dir out
    python demo/image_demo.py PHOTO.jpg MODEL_OF_THE_ZOO --out-dir out

PHOTO may be a folder, a glob in quotes, a URL or a video. For each photo it writes
``NAME.png``, the predicted mask with the palette of the data set, and
``panels/NAME.png``: photo · CAM · auxiliary CAM · pseudo label · prediction, with a
legend. A photo that can't be predicted doesn't stop the others: it is named at the end,
and the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

from mmwsss.apis.inferencer import WSSSInferencer
from mmwsss.cli.arguments import OptionsAction, plain_errors
from mmwsss.cli.inference_options import POST_PROCESSOR_HELP
from mmwsss.cli.inference_precision import PRECISIONS
from mmwsss.io.data_errors import DataError
from mmwsss.io.pictures.georeference import georeference_of
from mmwsss.pipeline.predict.given_pictures import Given, folders_given, pictures_given
from mmwsss.pipeline.predict.given_video import GivenVideo
from mmwsss.pipeline.predict.overlay_video import claim_video

#: options that ask for more files of a photo
EXTRAS = dict(
    confidence='how sure the mask is, as confidence/NAME.png: grey level 255 p',
    prob='probabilities of all classes, as prob/NAME.npz',
    cam='CAMs of the predicted classes, as cam/NAME.npz',
    scores='probabilities that a photo holds a class, as scores.csv',
)


def refuse_unplaced(given: list[Given]) -> None:
    """Refuse pictures without a georeference before anything is predicted.

    Raises:
        DataError: naming the first.
    """
    for photo in given:
        if photo.path is None or not georeference_of(photo.path):
            raise DataError(
                photo.path or photo.name,
                'has no georeference, as a GeoTIFF has',
                'leave out --geotiff',
            )


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('photo', help='a photo, folder, glob, URL or video')
    parser.add_argument('config', help='a config, or the name of a model of the zoo')
    parser.add_argument('checkpoint', nargs='?', help='of the config; the zoo has its')
    parser.add_argument('--out-dir', type=Path, default=Path('demo_out'))
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--batch-size', type=int, default=1, help='photos of one size')
    parser.add_argument(
        '--recursive', action='store_true', help='the folders below a folder too'
    )
    parser.add_argument(
        '--test-cfg',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='entries of test_cfg to replace, e.g. input.squash=None cam_filter=none',
    )
    parser.add_argument('--post-processor', metavar='NAME', help=POST_PROCESSOR_HELP)
    parser.add_argument('--tta', action='store_true', help="as the config's tta_cfg")
    parser.add_argument('--amp', choices=PRECISIONS, help='half precision')
    parser.add_argument('--no-panels', action='store_true', help='masks alone: faster')
    for name, text in EXTRAS.items():
        parser.add_argument(f'--{name}', action='store_true', help=text)
    parser.add_argument(
        '--geotiff',
        action='store_true',
        help='write each mask as NAME.tif too, at the place of its picture, a GeoTIFF',
    )
    parser.add_argument(
        '--overlay-video',
        action='store_true',
        help='of a video: NAME.mp4 with the classes over the frames, no masks',
    )
    return parser.parse_args(argv)


def inferencer_of(args: argparse.Namespace) -> WSSSInferencer:
    """The inferencer that the options ask for."""
    test_cfg = Config({})
    test_cfg.merge_from_dict(args.test_cfg)  # a.b=c belongs to the group a
    return WSSSInferencer(
        args.config,
        args.checkpoint,
        args.device,
        post_processor=args.post_processor,
        tta=args.tta,
        amp=args.amp,
        test_cfg=test_cfg.to_dict(),
    )


def write_video(args: argparse.Namespace, given: list[Given]) -> int:
    """Write the overlay of a video; gives the exit code.

    Raises:
        DataError: if something else was given.
    """
    video = given[0]
    if len(given) > 1 or not isinstance(video, GivenVideo):
        raise DataError(args.photo, 'is no video', 'leave out --overlay-video')
    out = claim_video(args.out_dir, f'{video.name}.mp4', video.path, '--out-dir')
    count = inferencer_of(args).overlay_video(video.path, out, args.batch_size)
    print_log(f'{count} frames in {out}')
    return 0


def main(argv: list[str] | None = None) -> int:
    """Command line; gives the exit code."""
    args = parse_args(argv)
    given = pictures_given(args.photo, args.recursive, args.out_dir)
    if args.overlay_video:
        return write_video(args, given)
    if args.geotiff:
        refuse_unplaced(given)
    outputs = [name for name in (*EXTRAS, 'geotiff') if getattr(args, name)]
    outputs += ['mask'] if args.no_panels else ['mask', 'panel']
    inferencer = inferencer_of(args)
    read = [path for path in (args.config, args.checkpoint) if path]
    read += folders_given(args.photo)
    files = inferencer.files(args.out_dir, outputs, given, read, '--out-dir')
    failed = inferencer.write(given, files, args.batch_size)
    total = sum(map(len, given))
    print_log(f'{total - len(failed)} of {total} photos predicted in {args.out_dir}')
    return int(bool(failed))


if __name__ == '__main__':
    with plain_errors():
        sys.exit(main())
