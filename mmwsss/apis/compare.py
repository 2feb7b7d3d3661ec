# Licensed under Apache-2.0.
"""A picture of several networks on Shapes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from mmwsss.pipeline.inference import predict_image, read_photo
from mmwsss.visualization.panels import Tile, compose_panel, sample_tiles
from mmwsss.visualization.samples import sample_outputs


def comparison_panel(
    models: Mapping[str, nn.Module], data: Path, num_images: int
) -> np.ndarray:
    """One row per network for each of the first test pictures with several classes.

    Args:
        models: networks of :func:`init_model` by title.
        data: folder of Shapes.
        num_images: how many pictures.

    Returns:
        RGB (H, W, 3) uint8.
    """
    lines = (data / 'splits/test.txt').read_text().splitlines()
    names = [line.split()[0] for line in lines if len(line.split()) > 2]
    rows = [
        _row(model, title, data, name)
        for name in names[:num_images]
        for title, model in models.items()
    ]
    meta = next(iter(models.values())).dataset_meta
    return compose_panel(
        rows,
        meta['classes'],
        meta.get('palette'),
        'test pictures; CAMs of the predicted classes',
    )


def _row(model: nn.Module, title: str, data: Path, name: str) -> list[Tile]:
    pixels = read_photo(data / f'JPEGImages/{name}.jpg')
    outputs = sample_outputs(predict_image(model, pixels), truth=False)
    with Image.open(data / f'SegmentationClass/{name}.png') as truth:
        outputs['truth'] = np.asarray(truth)
    meta = model.dataset_meta
    tiles = sample_tiles(
        pixels, outputs, meta['classes'], meta.get('palette'), min_side=160
    )
    tiles[0].title = title
    return tiles
