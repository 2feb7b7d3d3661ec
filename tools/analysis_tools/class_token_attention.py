# Licensed under Apache-2.0.
"""Where the class token of a ViT looks: ToCo's Figure 7 for your photos.

::

    python tools/analysis_tools/class_token_attention.py PHOTOS CONFIG CHECKPOINT

writes for each photo its class token's attention to the patches in some blocks, the
mean over the heads, each block by its own strongest patch. No label is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import print_log
from PIL import Image
from torch import Tensor, nn

from mmwsss.cli.arguments import plain_errors
from mmwsss.evaluation.attention import class_token_attention
from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import claim_outputs, write_drawing
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.pipeline.inference import packed
from mmwsss.pipeline.photos import photos_of_folder, read_each, say_left_out
from mmwsss.pipeline.vit_blocks import attention_taps, load_vit
from mmwsss.visualization.overlays import cam_overlay, resize_picture
from mmwsss.visualization.panels import Tile, compose_panel


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photos', type=Path, help='photo or folder')
    parser.add_argument('config')
    parser.add_argument('checkpoint', help='file, or pretrained')
    parser.add_argument('--out-dir', type=Path, default=Path('class_token_attention'))
    parser.add_argument(
        '--blocks', type=int, nargs='+', metavar='B', help='1 and up; default: last 4'
    )
    return parser.parse_args(argv)


def check_blocks(blocks: Sequence[int] | None, count: int) -> list[int]:
    """The blocks that are shown, counted from 1.

    Raises:
        UserError: naming one that there isn't.
    """
    chosen = list(range(max(count - 3, 1), count + 1)) if blocks is None else [*blocks]
    for block in chosen:
        if not 1 <= block <= count:
            raise UserError(
                f'--blocks {block}: this network has the blocks 1 to {count}'
            )
    return chosen


@torch.no_grad()
def block_maps(model: nn.Module, pixels: np.ndarray) -> list[Tensor]:
    """For each block what the class token looks at, (h, w), of a photo (H, W, 3)."""
    backbone = unwrap(model).backbone
    image = torch.stack(list(packed(model, pixels)['inputs']))
    with attention_taps(
        backbone, lambda one: class_token_attention(one, backbone.num_extra_tokens)
    ) as found:
        grid = backbone(image)[-1].shape[-2:]
    return [values[0].reshape(grid) for values in found]


def panel(title: str, pixels: np.ndarray, maps: dict[int, Tensor]) -> np.ndarray:
    """The photo, and the attention of each block over it."""
    tiles = [Tile(title, pixels)]
    for block, values in maps.items():
        heat = (values / values.max()).cpu().numpy()
        shown = cam_overlay(pixels, resize_picture(heat, pixels.shape[:2]).clip(0, 1))
        tiles.append(Tile(f'block {block}', shown, heat=True))
    return compose_panel([tiles], ())


def main(argv: list[str] | None = None) -> None:
    """Look, draw, say where."""
    args = parse_args(argv)
    model = load_vit(args.config, args.checkpoint)
    backbone = unwrap(model).backbone
    if backbone.cls_token is None:
        raise UserError(
            f'{type(backbone).__name__} of {args.config} has no class token to look '
            'from: take tools/analysis_tools/attention_entropy.py'
        )
    blocks = check_blocks(args.blocks, len(backbone.layers))
    photos = photos_of_folder(args.photos, model.picture)
    files = [(f'{Path(photo.name).stem}.png', photo.path) for photo in photos]
    claim_outputs(args.out_dir, files, [str(args.photos)], '--out-dir')
    failed: dict[str, str] = {}
    for photo, pixels in read_each(photos, failed):
        maps = block_maps(model, pixels)
        picture = panel(photo.name, pixels, {b: maps[b - 1] for b in blocks})
        file = args.out_dir / f'{Path(photo.name).stem}.png'
        write_drawing(Image.fromarray(picture), file)
    print_log(f'{len(photos) - len(failed)} pictures in {args.out_dir}')
    if say_left_out(failed, len(photos)):
        raise SystemExit(1)


if __name__ == '__main__':
    with plain_errors():
        main()
