# Licensed under Apache-2.0.
"""Panels: photograph, CAM, auxiliary CAM, pseudo label, prediction, truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmwsss.io.palette import full_palette

from .overlays import cam_overlay, heat_colours, label_overlay, resize_picture

_PAPER, _INK = (255, 255, 255), (20, 20, 20)
_GAP, _FONT = 6, 15
TITLES = {
    'cam': 'CAM',
    'aux_cam': 'auxiliary CAM',
    'lam': 'LAM',
    'cam_lam': 'CAM x LAM',
    'pseudo': 'pseudo label',
    'seg': 'prediction',
    'uncertainty': 'uncertainty',
    'truth': 'truth',
}
_HEAT = ('cam', 'aux_cam', 'lam', 'cam_lam', 'uncertainty')


@dataclass
class Tile:
    """One picture of a panel.

    Attributes:
        title: Caption above it.
        picture: RGB (H, W, 3) uint8.
        labels: Class ids shown in it, for the legend.
        heat: Whether it shows scores, for the legend.
    """

    title: str
    picture: np.ndarray
    labels: frozenset[int] = field(default_factory=frozenset)
    heat: bool = False


def sample_tiles(
    image: np.ndarray,
    outputs: dict[str, np.ndarray],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]] | None = None,
    present: Iterable[int] = (),
    min_side: int = 224,
    max_side: int = 448,
) -> list[Tile]:
    """Draw one image's outputs, in reading order.

    Args:
        image: RGB (H, W, 3) uint8.
        outputs: Maps by name, those that exist: ``cam``, ``aux_cam`` and
            ``uncertainty`` (scores in [0, 1], any size), ``pseudo``, ``seg`` and
            ``truth`` (class ids, any size).
        classes: Names by class id, background first.
        palette: Colours by class id.
        present: Image-level labels (class ids) for the caption.
        min_side: Smaller pictures are enlarged to this shorter side.
        max_side: Larger ones are reduced to this longer side.

    Returns:
        Tiles of one size: the photograph first.
    """
    size = _shown_size(image.shape[:2], min_side, max_side)
    photo = resize_picture(image, size)
    colours = full_palette(palette)
    names = ', '.join(classes[i] for i in sorted(present) if i < len(classes))
    tiles = [Tile(f'photo: {names}' if names else 'photo', photo)]
    for name, title in TITLES.items():
        if name not in outputs:
            continue
        plane = outputs[name]
        if name in _HEAT:
            score = np.clip(resize_picture(plane, size), 0, 1)
            found = name == 'uncertainty' or score.any()
            title += '' if found else ': nothing found'
            tiles.append(Tile(title, cam_overlay(photo, score), heat=True))
        else:
            label = resize_picture(plane, size, smooth=False)
            ids = frozenset(np.unique(label).tolist())
            title += ': background only' if ids == {0} else ''
            tiles.append(Tile(title, label_overlay(photo, label, colours), ids))
    return tiles


def compose_panel(
    rows: Sequence[Sequence[Tile]],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]] | None = None,
    heading: str = '',
) -> np.ndarray:
    """Lay tiles out in rows, with captions and a legend below.

    Args:
        rows: Tiles, one row per image.
        classes: Names by class id, background first.
        palette: Colours by class id.
        heading: Line on top.

    Returns:
        RGB (H, W, 3) uint8.

    Raises:
        ValueError: There is no tile.
    """
    if not rows or not any(rows):
        raise ValueError('a panel needs at least one tile')
    strips = [_row(tiles) for tiles in rows]
    width = max(s.width for s in strips)
    if heading:
        strips.insert(0, _text_strip(heading, width, _FONT + 2))
    tiles = [t for row in rows for t in row]
    labels = sorted(set().union(*(t.labels for t in tiles)))
    strips.append(
        Image.fromarray(
            legend_strip(
                labels, classes, palette, width, heat=any(t.heat for t in tiles)
            )
        )
    )
    return np.asarray(_stack(strips, width))


def legend_strip(
    labels: Sequence[int],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]] | None,
    width: int,
    heat: bool = False,
) -> np.ndarray:
    """A legend: a square and a name per class, and the heat scale.

    Args:
        labels: Class ids to explain; 255 = ignored.
        classes: Names by class id.
        palette: Colours by class id.
        width: Pixels; entries that don't fit go on the next line.
        heat: Add the scale of the CAM.

    Returns:
        RGB (H, ``width``, 3) uint8.
    """
    entries = [_swatch(i, classes, full_palette(palette)) for i in labels]
    if heat:
        entries.append(_scale())
    lines: list[list[tuple[int, Image.Image]]] = [[]]
    x = _GAP
    for entry in entries:
        if lines[-1] and x + entry.width > width:
            lines.append([])
            x = _GAP
        lines[-1].append((x, entry))
        x += entry.width + 2 * _GAP
    height = max((e.height for e in entries), default=1) + _GAP
    strip = Image.new('RGB', (width, height * len(lines) + _GAP), _PAPER)
    for number, line in enumerate(lines):
        for x, entry in line:
            strip.paste(entry, (x, number * height + _GAP))
    return np.asarray(strip)


def _shown_size(
    shape: tuple[int, int], min_side: int, max_side: int
) -> tuple[int, int]:
    factor = max(1.0, min_side / min(shape))
    factor = min(factor, max_side / max(shape))
    return round(shape[0] * factor), round(shape[1] * factor)


def _font(size: int = _FONT) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _swatch(label: int, classes: Sequence[str], colours: np.ndarray) -> Image.Image:
    name = (
        'ignored'
        if label == 255
        else (classes[label] if label < len(classes) else f'class {label}')
    )
    side = _FONT + 3
    square = np.full((side, side, 3), 90, np.uint8)
    plane = np.full((side, side), label)
    square = label_overlay(square, plane, colours, cover=1.0)
    return _beside(Image.fromarray(square), name)


def _scale() -> Image.Image:
    bar = heat_colours(np.linspace(0, 1, 90)[None].repeat(_FONT + 3, 0))
    return _beside(Image.fromarray(bar.astype(np.uint8)), 'score 0 (left) to 1')


def _beside(picture: Image.Image, text: str) -> Image.Image:
    """A picture with a text to its right."""
    font = _font()
    length = int(font.getlength(text)) + 1
    out = Image.new('RGB', (picture.width + 5 + length, picture.height + 4), _PAPER)
    out.paste(picture, (0, 2))
    ImageDraw.Draw(out).text((picture.width + 5, 1), text, _INK, font)
    return out


def _row(tiles: Sequence[Tile]) -> Image.Image:
    cells = [_cell(t) for t in tiles]
    width = sum(c.width for c in cells) + _GAP * (len(cells) - 1)
    row = Image.new('RGB', (width, max(c.height for c in cells)), _PAPER)
    x = 0
    for cell in cells:
        row.paste(cell, (x, 0))
        x += cell.width + _GAP
    return row


def _cell(tile: Tile) -> Image.Image:
    height, width = tile.picture.shape[:2]
    caption = _text_strip(tile.title, width, _FONT)
    cell = Image.new('RGB', (width, height + caption.height), _PAPER)
    cell.paste(caption, (0, 0))
    cell.paste(Image.fromarray(tile.picture), (0, caption.height))
    return cell


def _text_strip(text: str, width: int, size: int) -> Image.Image:
    """One line of text; cut with dots where it is too long."""
    font = _font(size)
    while text and font.getlength(text) > width - 4:
        text = text.rstrip('.')[:-1] + '...' if len(text) > 4 else ''
    strip = Image.new('RGB', (width, size + 8), _PAPER)
    ImageDraw.Draw(strip).text((2, 2), text, _INK, font)
    return strip


def _stack(strips: Sequence[Image.Image], width: int) -> Image.Image:
    height = sum(s.height for s in strips) + _GAP * (len(strips) + 1)
    out = Image.new('RGB', (width + 2 * _GAP, height), _PAPER)
    y = _GAP
    for strip in strips:
        out.paste(strip, (_GAP, y))
        y += strip.height + _GAP
    return out
