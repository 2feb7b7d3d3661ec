# Licensed under Apache-2.0.
"""What the page shows of a photo, and what it gives away as files."""

from __future__ import annotations

from collections.abc import Collection
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.io.atomic_file import write_json
from mmwsss.io.label_png import save_label_png
from mmwsss.io.palette import full_palette
from mmwsss.version import __version__
from mmwsss.visualization.overlays import cam_overlay, label_overlay, resize_picture

from .segmented_photo import SegmentedPhoto

IGNORED = 255


def shown_ids(done: SegmentedPhoto, names: Collection[str]) -> list[int]:
    """Class ids 1..C that are to be shown; all where none of them is chosen.

    Names of another model's classes don't count.
    """
    ids = range(1, len(done.classes))
    return [i for i in ids if done.classes[i] in names] or list(ids)


def mask_view(done: SegmentedPhoto, names: Collection[str] = ()) -> np.ndarray:
    """The chosen classes' colours over the photo, RGB (h, w, 3) uint8.

    Other classes look like background; undecided pixels are hatched.
    """
    assert done.found.mask is not None  # PhotoSegmenter refuses models without
    mask = resize_picture(done.found.mask, done.photo.shape[:2], smooth=False)
    kept = np.isin(mask, [*shown_ids(done, names), IGNORED])
    label = np.where(kept, mask, 0).astype(np.uint8)
    return label_overlay(done.photo, label, full_palette(done.palette))


def confidence_view(done: SegmentedPhoto) -> np.ndarray | None:
    """Confidence as heat over the photo, RGB (h, w, 3) uint8."""
    if done.found.confidence is None:
        return None
    return cam_overlay(done.photo, _sized(done.found.confidence, done))


def cam_views(
    done: SegmentedPhoto, names: Collection[str] = ()
) -> list[tuple[np.ndarray, str]]:
    """(heat over the photo, class) of each chosen class that has a CAM.

    Models make CAMs of the classes that they find in the picture; a map of another one
    would be stretched to [0, 1] as well, and mislead.
    """
    cam = done.found.cam
    if cam is None:
        return []
    wanted = shown_ids(done, names)
    return [
        (cam_overlay(done.photo, _sized(score, done)), done.classes[i])
        for score, i in zip(cam.maps, cam.ids.tolist())
        if i in wanted
    ]


def class_facts(done: SegmentedPhoto, names: Collection[str] = ()) -> list[dict]:
    """What is said of each chosen class, as JSON may hold it.

    Returns:
        ``id``, ``name``, ``colour`` (#rrggbb), ``pixels``, ``share`` of the picture in
        [0, 1], ``score`` (probability that the picture holds it) and ``confidence``
        (mean over its pixels), the last two ``None`` where there is none.
    """
    mask, sure = done.found.mask, done.found.confidence
    assert mask is not None
    counts = np.bincount(mask.ravel(), minlength=256)
    sums = None if sure is None else np.bincount(mask.ravel(), sure.ravel(), 256)
    colours = full_palette(done.palette)
    return [
        dict(
            id=i,
            name=done.classes[i],
            colour='#{:02x}{:02x}{:02x}'.format(*colours[i].tolist()),
            pixels=int(counts[i]),
            share=round(float(counts[i] / mask.size), 6),
            score=_rounded(done.found.scores.get(done.classes[i])),
            confidence=_rounded(sums[i] / counts[i])
            if sums is not None and counts[i]
            else None,
        )
        for i in shown_ids(done, names)
    ]


def facts_table(done: SegmentedPhoto, names: Collection[str] = ()) -> str:
    """:func:`class_facts` as an HTML table, what is in the picture first.

    Models that don't classify the picture have no column of its scores.
    """
    rows = sorted(
        class_facts(done, names), key=lambda one: (-one['pixels'], -(one['score'] or 0))
    )
    columns = {'area': 'share', 'confidence': 'confidence', 'in the photo?': 'score'}
    if all(row['score'] is None for row in rows):
        del columns['in the photo?']
    body = ''.join(
        f'<tr><td><span class="swatch" style="background:{row["colour"]}"></span>'
        f'{escape(row["name"])}</td>'
        + ''.join(f'<td>{_percent(row[key])}</td>' for key in columns.values())
        + '</tr>'
        for row in rows
    )
    head = ''.join(f'<th>{title}</th>' for title in ('class', *columns))
    return (
        f'<table class="facts"><thead><tr>{head}</tr></thead>'
        f'<tbody>{body}</tbody></table>'
    )


def summary(done: SegmentedPhoto) -> str:
    """One line: photo, model, and which classes the mask has."""
    height, width = done.found.size
    facts = [row for row in class_facts(done) if row['pixels']]
    facts.sort(key=lambda row: -row['pixels'])
    seen = ', '.join(row['name'] for row in facts) or 'none of its classes'
    return f'{done.found.name}, {width} × {height}, by {done.model}: {seen}'


def write_files(done: SegmentedPhoto, folder: Path) -> tuple[str, str]:
    """Write mask and facts, all classes and in the photo's own size.

    Args:
        done: the photo.
        folder: where to; ``NAME.png`` holds class ids with the palette.

    Returns:
        Paths of the PNG and of the JSON file.
    """
    assert done.found.mask is not None
    png, facts = (folder / f'{done.found.name}{end}' for end in ('.png', '.json'))
    save_label_png(done.found.mask, png, done.palette)
    write_json(file_content(done), facts)
    return str(png), str(facts)


def file_content(done: SegmentedPhoto) -> dict[str, Any]:
    """What the JSON file holds."""
    height, width = done.found.size
    mask, sure = done.found.mask, done.found.confidence
    assert mask is not None
    return dict(
        mmwsss=__version__,
        picture=done.found.name,
        model=done.model,
        height=height,
        width=width,
        mask=f'{done.found.name}.png',
        undecided=int((mask == IGNORED).sum()),
        confidence=None if sure is None else _rounded(sure.mean()),
        classes=class_facts(done),
    )


def _sized(score: np.ndarray, done: SegmentedPhoto) -> np.ndarray:
    """A map of scores at the size of the photo that is shown."""
    return np.clip(resize_picture(score, done.photo.shape[:2]), 0, 1)


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 6)


def _percent(value: float | None) -> str:
    return '–' if value is None else f'{100 * value:.1f} %'
