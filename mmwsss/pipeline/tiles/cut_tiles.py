# Licensed under Apache-2.0.
"""Write the tiles of large pictures as a data set of their own."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmwsss.datasets.label_channels import read_classes
from mmwsss.datasets.own.layout import (
    CLASSES,
    IMAGES,
    LABELS,
    MASKS,
    PICTURE,
    SETTINGS,
    list_file,
    picture_entries,
    refuse_other_settings,
    write_labels,
    write_lines,
)
from mmwsss.datasets.own.mask_ids import read_ids
from mmwsss.io.atomic_file import is_whole, write_atomic, write_json, write_picture
from mmwsss.io.data_errors import MaskError
from mmwsss.io.image_files import image_stem
from mmwsss.io.label_png import save_label_png
from mmwsss.io.output_folder import claim_outputs
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import read_stored
from mmwsss.io.pictures.tiff_pages import tifffile_module
from mmwsss.models.prediction.windows import Box

from .tile_plan import Large, TileCfg, plan_tiles, tile_classes

#: in a folder of tiles: where each one lies in its picture
MANIFEST = 'tiles.json'


def cut_tiles(source: str, out: Path, cfg: TileCfg) -> dict[str, int]:
    """Cut all pictures of a folder; tiles that are there already are kept.

    ``out`` has the layout of ``folder.py``: the tiles of a picture are in its split.

    Args:
        source: the folder.
        out: of the tiles.
        cfg: how pictures are cut.

    Returns:
        How many pictures, tiles, and tiles without an object there are.

    Raises:
        UserError: if ``out`` holds tiles of another folder, or cut in another way.
        OutputError: if something foreign would be written over.
        DataError: naming a picture or mask that can't be read.
    """
    picture = picture_entries(source)
    pictures = plan_tiles(source, cfg, picture)
    settings = dict(source=str(Path(source).resolve()), **asdict(cfg))
    refuse_other_settings(out, settings)
    claim_outputs(out, _outputs(pictures, cfg), [source])
    write_json(settings, out / SETTINGS)
    rule = PictureRule(exif=picture.get('exif'))
    labels = {name: ids for one in pictures for name, ids in _cut(one, out, cfg, rule)}
    write_json(_manifest(pictures), out / MANIFEST)
    if cfg.labels != 'none':
        _write_lists(pictures, labels, source, out)
    empty = sum(ids == () for ids in labels.values())
    return dict(pictures=len(pictures), tiles=len(labels), empty=empty)


def _outputs(pictures: Sequence[Large], cfg: TileCfg) -> list[tuple[str, str]]:
    """(file, what it is made of) of all that is written."""
    found = [(name, name) for name in (MANIFEST, SETTINGS)]
    for one in pictures:
        for name in map(one.tile, one.boxes):
            found.append((f'{IMAGES}/{name}', one.path))
            if one.mask is not None:
                found.append((f'{MASKS}/{image_stem(name)}.png', one.mask))
    if cfg.labels != 'none':
        splits = {list_file(str(one.split)) for one in pictures}
        found += [(name, name) for name in (LABELS, CLASSES, PICTURE, *sorted(splits))]
    return found


def _cut(
    one: Large, out: Path, cfg: TileCfg, rule: PictureRule
) -> Iterator[tuple[str, tuple[int, ...] | None]]:
    """Write the tiles of a picture; gives name and class ids of each."""
    mask = None if one.mask is None else _mask_of(one)
    values = None
    for box in one.boxes:
        name = one.tile(box)
        if not _is_there(out / IMAGES / name):
            values = read_stored(one.path, rule) if values is None else values
            _write_tile(_part(values, box), out / IMAGES / name)
        ids = one.ids
        if mask is not None:
            part = _part(mask, box)
            save_label_png(part, out / MASKS / f'{image_stem(name)}.png')
            if cfg.labels == 'mask':
                ids = tile_classes(part, cfg.min_pixels)
        yield name, ids


def _mask_of(one: Large) -> np.ndarray:
    """The mask of a picture.

    Raises:
        MaskError: if it has another size.
    """
    assert one.mask is not None  # asked for where there is one
    mask = read_ids(one.mask)
    if mask.shape != one.size:
        raise MaskError(
            one.mask,
            f'is {mask.shape}, its picture {one.size} (height, width)',
            'correct it; of photos that are turned by their EXIF say which way masks '
            'lie, by --picture exif=ignore of folder.py',
        )
    return mask


def _part(array: np.ndarray, box: Box) -> np.ndarray:
    return np.ascontiguousarray(array[box[0] : box[1], box[2] : box[3]])


def _is_there(path: Path) -> bool:
    return is_whole(path) and path.stat().st_size > 0


def _write_tile(values: np.ndarray, path: Path) -> None:
    """Values (h, w, N): a PNG of 8 bits, or a TIFF of any depth and bands."""
    if path.suffix == '.png':
        plain = values[..., 0] if values.shape[2] == 1 else values
        write_picture(Image.fromarray(plain), path)
        return
    content = io.BytesIO()
    tifffile_module().imwrite(
        content,
        values,
        photometric='minisblack',
        planarconfig='contig',
        compression='zlib',
        metadata=None,
    )
    write_atomic(content.getvalue(), path, durable=False)


def _manifest(pictures: Sequence[Large]) -> dict[str, Any]:
    """Picture → its size and the boxes (y0, y1, x0, x1) of its tiles."""
    return {
        one.name: dict(
            size=list(one.size),
            tiles={one.tile(box): list(box) for box in one.boxes},
        )
        for one in pictures
    }


def _write_lists(
    pictures: Sequence[Large],
    labels: Mapping[str, tuple[int, ...] | None],
    source: str,
    out: Path,
) -> None:
    """Labels, classes, splits and the rule of the pictures."""
    for name in (CLASSES, PICTURE):
        file = Path(source, name)
        if file.is_file():
            write_atomic(file.read_bytes(), out / name)
    splits: dict[str, list[str]] = {}
    for one in pictures:
        splits.setdefault(str(one.split), []).extend(map(one.tile, one.boxes))
    for split, names in splits.items():
        write_lines(out / list_file(split), names)
    known = {name: ids or () for name, ids in labels.items()}
    write_labels(out / LABELS, known, read_classes(out / CLASSES))
