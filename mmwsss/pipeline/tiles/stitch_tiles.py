# Licensed under Apache-2.0.
"""Masks of tiles as one mask a picture, without seams."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmwsss.datasets.own.mask_ids import read_ids
from mmwsss.io.data_errors import DataError, MaskError
from mmwsss.io.image_files import image_stem
from mmwsss.io.label_png import save_label_png
from mmwsss.io.output_folder import claim_outputs
from mmwsss.models.prediction.windows import Box, blend_windows

from .cut_tiles import MANIFEST


def stitch_tiles(
    tiles: str,
    masks: str,
    out: Path,
    palette: Sequence[Sequence[int]] | None = None,
) -> int:
    """Write the mask of each picture from those of its tiles.

    A pixel gets the id that most of its tiles say, those in whose middle it lies
    counting more than those at whose rim it lies.

    Args:
        tiles: folder of ``tile.py``, with its manifest.
        masks: folder of the tiles' masks, PNGs of class ids named as the tiles; with
            their folders or without.
        out: where to write.
        palette: colours by class id.

    Returns:
        How many pictures there are.

    Raises:
        DataError: if the manifest, or the mask of a tile, isn't there or doesn't fit.
        OutputError: if something foreign would be written over.
    """
    file = Path(tiles) / MANIFEST
    if not file.is_file():
        raise DataError(tiles, f'has no {MANIFEST}', 'give a folder made by tile.py')
    manifest = json.loads(file.read_text(encoding='utf-8'))
    names = {name: f'{image_stem(name)}.png' for name in manifest}
    claim_outputs(out, [(png, name) for name, png in names.items()], [masks, tiles])
    for name, entry in manifest.items():
        save_label_png(stitched(entry, masks), out / names[name], palette)
    return len(manifest)


def stitched(entry: Mapping[str, Any], masks: str) -> np.ndarray:
    """The mask (H, W) uint8 of one picture.

    Args:
        entry: of the manifest: ``size`` and ``tiles``, name → box.
        masks: folder of the tiles' masks.
    """
    found = {name: _mask_of(name, box, masks) for name, box in entry['tiles'].items()}
    ids = np.unique(np.concatenate([np.unique(mask) for mask in found.values()]))
    boxes = [tuple(box) for box in entry['tiles'].values()]
    votes = blend_windows(_votes(entry['tiles'], found, ids), boxes)
    return ids[votes[0].argmax(0).numpy()].astype(np.uint8)


def _votes(
    tiles: Mapping[str, Sequence[int]], found: Mapping[str, np.ndarray], ids: np.ndarray
) -> Iterator[tuple[Box, Tensor]]:
    """Box and (1, K, h, w) float: 1 where the tile says the k-th id."""
    for name, box in tiles.items():
        y0, y1, x0, x1 = box
        hot = torch.from_numpy(found[name] == ids[:, None, None]).float()
        yield (y0, y1, x0, x1), hot[None]


def _mask_of(name: str, box: Sequence[int], masks: str) -> np.ndarray:
    """The mask of a tile.

    Raises:
        MaskError: if it isn't there, or has another size.
    """
    stem = image_stem(name)
    places = [Path(masks) / f'{one}.png' for one in (stem, Path(stem).name)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise MaskError(
            str(places[0]), 'is missing', 'predict all tiles of the pictures'
        )
    mask = read_ids(str(path))
    size = (box[1] - box[0], box[3] - box[2])
    if mask.shape != size:
        raise MaskError(
            str(path), f'is {mask.shape}, its tile {size}', 'predict the tiles again'
        )
    return mask
