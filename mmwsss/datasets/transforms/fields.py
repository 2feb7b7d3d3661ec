# Licensed under Apache-2.0.
"""Geometry of everything that lies on an image.

``results['side_inputs']`` names the side inputs of the data set; those that are loaded
follow as their kind says (:mod:`mmwsss.datasets.side_inputs`). Maps of ids that
``results['seg_fields']`` names besides, such as the true mask, follow by nearest
neighbours, ``ignore_index`` outside. ``results['valid_box']`` is the box of real
pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmwsss.datasets.side_inputs.ids_kind import IdsKind
from mmwsss.datasets.side_inputs.side_input_kind import SideInputKind

from .band_stack import AnyImage

#: where a mask lies, true or pseudo, as mmseg names it
MASK_KEY = 'gt_seg_map'
_LABELS = IdsKind(classes=True)


def loaded_side_inputs(results: dict) -> dict[str, SideInputKind]:
    """Kinds of the side inputs that were read, by name, without the mask."""
    files = results.get('side_inputs', {})
    return {name: file.kind for name, file in files.items() if name in results}


def _fields(results: dict) -> Iterator[tuple[str, SideInputKind]]:
    loaded = loaded_side_inputs(results)
    yield from loaded.items()
    for name in results.get('seg_fields', ()):
        if name not in loaded:
            yield name, _LABELS


def resize_fields(
    results: dict,
    size: tuple[int, int],
    align_corners: bool = True,
    resample: str = 'bicubic',
) -> None:
    """Resize all fields to ``(height, width)``; ``resample``: the image's filter."""
    for name, kind in _fields(results):
        results[name] = kind.resize(results[name], size, resample, align_corners)


def flip_fields(results: dict) -> None:
    """Mirror all fields left and right."""
    for name, kind in _fields(results):
        results[name] = kind.flip(results[name])


def crop_fields(
    results: dict,
    crop_size: tuple[int, int],
    pad_yx: tuple[int, int],
    crop_yx: tuple[int, int],
    ignore_index: int = 255,
) -> None:
    """Pad and crop all fields, see :func:`.functional.pad_crop`."""
    place = (crop_size, pad_yx, crop_yx)
    for name, kind in _fields(results):
        results[name] = kind.crop(results[name], place, ignore_index)


def set_image(results: dict, img: AnyImage) -> dict:
    """Store the picture and its size."""
    results['img'] = np.asarray(img)
    results['img_shape'] = results['img'].shape[:2]
    return results
