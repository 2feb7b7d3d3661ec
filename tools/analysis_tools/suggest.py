# Licensed under Apache-2.0.
"""Rank pictures by how unsure a network is of them: what to annotate next.

::

    python tools/analysis_tools/suggest.py CONFIG CHECKPOINT PHOTOS --out DIR --diverse
    python tools/analysis_tools/suggest.py CONFIG CHECKPOINT train --out DIR --by label

PHOTOS is a photo or a folder of photos, or a split of the config's data set (train,
val, test, or another by name). DIR gets suggested.csv, all pictures with rank and
scores, and rank_001.png ..., panels of the first. No mask is read; image labels for
--by label alone, which finds pictures whose label the network contradicts. A picture
that can't be read is left out and named at the end; the exit code is then 1.
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

from mmwsss.cli.arguments import add_cfg_options, merged_config, plain_errors
from mmwsss.io.atomic_file import write_atomic, write_picture
from mmwsss.io.errors import UserError
from mmwsss.io.inputs_read import folders_of
from mmwsss.io.output_folder import claim_outputs
from mmwsss.io.pictures.reader import shown
from mmwsss.pipeline.inference import class_names, init_model
from mmwsss.pipeline.photos import (
    Photo,
    photos_of_folder,
    photos_of_split,
    read_each,
    say_left_out,
)
from mmwsss.pipeline.suggest.picture_scores import MEASURES, PictureScorer
from mmwsss.pipeline.suggest.ranking import Scored, csv_text, ranked
from mmwsss.visualization.panels import compose_panel, sample_tiles
from mmwsss.visualization.samples import sample_outputs

TABLE = 'suggested.csv'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('photos', help='a photo, a folder, or a split of the data set')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR')
    parser.add_argument(
        '--by',
        choices=MEASURES,
        default='entropy',
        help='entropy: of the probabilities of pixels; margin: between the first and '
        'the second class; disagreement: of CAM and segmentation; label: of the '
        "network's classes and the image label. Default entropy",
    )
    parser.add_argument(
        '--diverse',
        action='store_true',
        help='the first N are unlike each other too (k-centre greedy, weighted)',
    )
    parser.add_argument(
        '--top', type=int, default=20, metavar='N', help='panels; default 20'
    )
    parser.add_argument(
        '--bkg-thr',
        type=float,
        default=0.5,
        help='background threshold of the CAM for --by disagreement; default 0.5',
    )
    parser.add_argument('--device', default='cpu')
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    if args.top < 1:
        raise UserError(f'--top must be 1 picture or more, got {args.top}')
    return args


def panel_name(rank: int) -> str:
    """File of the panel of a rank, from 1 on."""
    return f'rank_{rank:03d}.png'


def find_photos(source: str, cfg: Config, model: nn.Module) -> list[Photo]:
    """The pictures of a path that there is, else of a split."""
    if Path(source).exists():
        return photos_of_folder(Path(source), model.picture)
    if '/' in source or '.' in source:
        raise FileNotFoundError(f'{source}: there is no such photo or folder')
    return photos_of_split(cfg, source)


def score_all(
    scorer: PictureScorer, photos: Sequence[Photo], diverse: bool
) -> tuple[list[Scored], dict[str, str]]:
    """Score all pictures; gives also the messages of those that can't be read."""
    failed: dict[str, str] = {}
    found = []
    for photo, pixels in read_each(photos, failed):
        scores = scorer.scores(photo, scorer.predict(photo, pixels))
        feature = scorer.feature(pixels) if diverse else None
        found.append(Scored(photo, scores, feature))
    return found, failed


def draw(
    scorer: PictureScorer, photo: Photo, pixels: np.ndarray, heading: str
) -> np.ndarray:
    """Panel: photo, CAM, prediction, where the network is unsure."""
    found = scorer.predict(photo, pixels)
    outputs = sample_outputs(found.sample, truth=False)
    outputs = {name: outputs[name] for name in ('cam', 'seg') if name in outputs}
    outputs['uncertainty'] = scorer.heat(found)
    classes = class_names(scorer.model)
    palette = scorer.model.dataset_meta.get('palette')
    tiles = sample_tiles(
        shown(pixels, photo.rule), outputs, classes, palette, photo.labels or ()
    )
    return compose_panel([tiles], classes, palette, heading=heading)


def draw_first(scorer: PictureScorer, rows: Sequence[Scored], out: Path) -> None:
    """Write the panels of the first pictures, which are predicted again."""
    by = scorer.by
    drawn = read_each([row.photo for row in rows], {})
    for rank, (row, (photo, pixels)) in enumerate(zip(rows, drawn, strict=True), 1):
        heading = f'{rank}: {photo.name}, {by} {row.value(by):.3f}'
        if by == 'label' and row.scores.contradicted:
            contradicted = class_names(scorer.model)[row.scores.contradicted]
            heading += f' ({contradicted})'
        panel = draw(scorer, photo, pixels, heading)
        write_picture(Image.fromarray(panel), out / panel_name(rank))


def main(argv: list[str] | None = None) -> int:
    """Score, rank, draw; gives the exit code."""
    args = parse_args(argv)
    cfg = merged_config(args)
    model = init_model(cfg, args.checkpoint, args.device)
    scorer = PictureScorer(model, args.by, args.bkg_thr)
    photos = find_photos(args.photos, cfg, model)
    if args.by == 'label' and all(photo.labels is None for photo in photos):
        raise UserError(
            f'--by label needs image labels, and of the {len(photos)} pictures of '
            f'{args.photos} none is known: take --by entropy, margin or disagreement'
        )
    top = min(args.top, len(photos))
    folders = folders_of(dict(img_path=photo.path) for photo in photos)
    read = [args.config, args.checkpoint, *folders]
    outputs = [TABLE, *map(panel_name, range(1, top + 1))]
    claim_outputs(args.out, [(name, args.photos) for name in outputs], read)
    found, failed = score_all(scorer, photos, args.diverse)
    rows = ranked(found, args.by, top, args.diverse)
    text = csv_text(rows, class_names(model))
    write_atomic(text.encode(), args.out / TABLE)
    draw_first(scorer, rows[:top], args.out)
    print_log(
        f'{len(rows)} pictures by {args.by} in {args.out / TABLE}, panels of the first '
        f'{len(rows[:top])} beside it'
    )
    return say_left_out(failed, len(photos))


if __name__ == '__main__':
    with plain_errors():
        sys.exit(main())
