# Licensed under Apache-2.0.
"""Geometry of everything that lies on an image: label maps and score maps.

``results['seg_fields']`` names label maps (H, W): nearest, 255 outside.
``results['map_fields']`` names score maps (H, W) or (K, H, W), float: bilinear,
0 outside. ``results['picture_fields']`` names pictures (H, W) or (H, W, 3), uint8:
PIL's filter of the image, 0 outside. ``results['valid_box']`` is the box of real
pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from mmwsss.datasets.transforms import functional as F


def resize_map(
    array: np.ndarray, size: tuple[int, int], align_corners: bool
) -> np.ndarray:
    """Bilinear (..., H, W) to (..., *size), without antialiasing.

    In double precision (SMAF's release): float32 places the sampling points of a large
    map to 1e-5 pixels only.
    """
    maps = torch.from_numpy(array).double().reshape(1, -1, *array.shape[-2:])
    out = interpolate(maps, size, mode='bilinear', align_corners=align_corners)
    return out.reshape(*array.shape[:-2], *size).numpy().astype(array.dtype)


def resize_fields(
    results: dict,
    size: tuple[int, int],
    align_corners: bool = True,
    resample: str = 'bicubic',
) -> None:
    """Resize all fields to ``(height, width)``; ``resample``: the image's filter."""
    for name in results.get('seg_fields', ()):
        mask = Image.fromarray(results[name])
        results[name] = np.asarray(mask.resize(size[::-1], F.interpolation('nearest')))
    for name in results.get('map_fields', ()):
        results[name] = resize_map(results[name], size, align_corners)
    for name in results.get('picture_fields', ()):
        picture = Image.fromarray(results[name])
        results[name] = np.asarray(
            picture.resize(size[::-1], F.interpolation(resample))
        )


def flip_fields(results: dict) -> None:
    """Mirror all fields left and right."""
    for name in (*results.get('seg_fields', ()), *results.get('map_fields', ())):
        results[name] = np.ascontiguousarray(results[name][..., ::-1])
    for name in results.get('picture_fields', ()):
        results[name] = np.ascontiguousarray(results[name][:, ::-1])


def crop_fields(
    results: dict,
    crop_size: tuple[int, int],
    pad_yx: tuple[int, int],
    crop_yx: tuple[int, int],
    ignore_index: int = 255,
) -> None:
    """Pad and crop all fields, see :func:`.functional.pad_crop`."""
    place = (crop_size, pad_yx, crop_yx)
    for name in results.get('seg_fields', ()):
        results[name] = F.pad_crop(results[name], *place, fill=ignore_index)
    for name in results.get('picture_fields', ()):
        results[name] = F.pad_crop(results[name], *place)
    for name in results.get('map_fields', ()):
        maps = results[name]
        if maps.ndim == 2:
            results[name] = F.pad_crop(maps, *place)
        else:
            cropped = F.pad_crop(np.moveaxis(maps, 0, -1), *place)
            results[name] = np.ascontiguousarray(np.moveaxis(cropped, -1, 0))


def set_image(results: dict, img: Image.Image) -> dict:
    """Store the picture and its size."""
    results['img'] = np.asarray(img)
    results['img_shape'] = results['img'].shape[:2]
    return results
