# Licensed under Apache-2.0.
"""The arithmetic of image augmentation, without any random choice.

All published pipelines work on PIL images, whose filters round to 8 bits after
every step; the same numbers come out only of the same arithmetic. So these
functions take and return PIL images (RGB, 8 bits; a :class:`.BandStack` for another
number of bands), or uint8 arrays where no
interpolation is involved. What they do is given entirely by their arguments;
the random choices are made in :mod:`.draw`.

Colours are torchvision's. Kept by hand: what is one call of PIL anyway; the blur, since
torchvision's isn't PIL's (29 of 255 levels apart at a radius of 1.2); and padding and
cropping, which give the box of real pixels too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from torch.nn.functional import interpolate
from torchvision.transforms import functional as tv

from .band_stack import AnyImage, BandStack

Box = tuple[int, int, int, int]
#: of :func:`pad_crop`: size of the crop, corner of the image, corner of the crop
Place = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Jitter = Sequence[tuple[str, float]]

INTERPOLATIONS = {
    'nearest': Image.Resampling.NEAREST,
    'bilinear': Image.Resampling.BILINEAR,
    'bicubic': Image.Resampling.BICUBIC,
}


def interpolation(name: str) -> Image.Resampling:
    """PIL's filter of that name.

    Raises:
        ValueError: if the name is none of ``INTERPOLATIONS``.
    """
    if name not in INTERPOLATIONS:
        raise ValueError(
            f'interpolation {name!r} is unknown; use one of {list(INTERPOLATIONS)}'
        )
    return INTERPOLATIONS[name]


def scaled_shape(shape: tuple[int, int], factor: float) -> tuple[int, int]:
    """Both sides times the factor, truncated as ``int(factor * side)``, at least 1."""
    first, second = (max(int(factor * side), 1) for side in shape)
    return first, second


def scale_image(img: AnyImage, factor: float, resample: str = 'bilinear') -> AnyImage:
    """Resize by one factor, to the size that :func:`scaled_shape` gives."""
    return img.resize(scaled_shape(img.size, factor), interpolation(resample))


def resize_long_side(img: AnyImage, target: int, resample: str = 'bicubic') -> AnyImage:
    """Resize so that the longer side is ``target`` pixels, aspect kept.

    The shorter side is ``round(short * target / long)``.
    """
    width, height = img.size
    if width >= height:
        size = (target, max(round(height * target / width), 1))
    else:
        size = (max(round(width * target / height), 1), target)
    return img.resize(size, interpolation(resample))


def flip_image(img: AnyImage) -> AnyImage:
    """Mirror left and right."""
    return img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def resized_crop(
    img: AnyImage, box: Box, size: tuple[int, int], resample: str = 'bicubic'
) -> AnyImage:
    """Cut ``box`` out, then resize it; nothing outside the box bleeds in.

    Args:
        img: the picture.
        box: ``(y0, y1, x0, x1)``, half-open.
        size: ``(height, width)`` of the result.
        resample: name of the filter (antialiased, as PIL's are).
    """
    y0, y1, x0, x1 = box
    return img.crop((x0, y0, x1, y1)).resize(size[::-1], interpolation(resample))


def resize_map(
    array: np.ndarray, size: tuple[int, int], align_corners: bool
) -> np.ndarray:
    """Bilinear (..., H, W) to ``(..., *size)``, without antialiasing.

    In double precision (SMAF's release): float32 places the sampling points of a large
    map to 1e-5 pixels only.
    """
    maps = torch.from_numpy(array).double().reshape(1, -1, *array.shape[-2:])
    out = interpolate(maps, size, mode='bilinear', align_corners=align_corners)
    return out.reshape(*array.shape[:-2], *size).numpy().astype(array.dtype)


def pad_crop(
    array: np.ndarray,
    crop_size: tuple[int, int],
    pad_yx: tuple[int, int],
    crop_yx: tuple[int, int],
    fill: int | Sequence[int] = 0,
) -> np.ndarray:
    """Paste on a canvas of at least the crop's size, then cut the crop out.

    Only the overlap is copied; the canvas itself is never made.

    Args:
        array: (H, W) or (H, W, N).
        crop_size: ``(height, width)`` of the crop.
        pad_yx: where the image's corner lies on the canvas; non-zero only along
            a side that is shorter than the crop.
        crop_yx: where the crop's corner lies on the canvas; non-zero only along
            a longer side.
        fill: value outside the image, or one a channel.

    Returns:
        The crop, with the type and channels of ``array``.
    """
    y0, y1, x0, x1 = crop_box(array.shape[:2], crop_size, pad_yx, crop_yx)
    out = np.full((*crop_size, *array.shape[2:]), fill, dtype=array.dtype)
    sy, sx = crop_yx[0] - pad_yx[0], crop_yx[1] - pad_yx[1]
    out[y0:y1, x0:x1] = array[y0 + sy : y1 + sy, x0 + sx : x1 + sx]
    return out


def crop_box(
    shape: tuple[int, int],
    crop_size: tuple[int, int],
    pad_yx: tuple[int, int],
    crop_yx: tuple[int, int],
) -> Box:
    """The part of the crop that holds real pixels, ``(y0, y1, x0, x1)``."""
    spans = []
    for side, crop, pad, start in zip(shape, crop_size, pad_yx, crop_yx):
        spans += [max(pad - start, 0), min(crop, side + pad - start)]
    y0, y1, x0, x1 = spans
    return y0, y1, x0, x1


def mirror_box(box: Box, width: int) -> Box:
    """The box of real pixels after a picture ``width`` wide was mirrored."""
    y0, y1, x0, x1 = box
    return y0, y1, width - x1, width - x0


_CHANGES = dict(
    brightness=tv.adjust_brightness,
    contrast=tv.adjust_contrast,
    saturation=tv.adjust_saturation,
    hue=tv.adjust_hue,
)


def color_jitter(img: AnyImage, steps: Jitter) -> AnyImage:
    """Apply named colour changes in the order given.

    Args:
        img: the picture.
        steps: pairs of a name (``'brightness'``, ``'contrast'``,
            ``'saturation'``: a factor; ``'hue'``: a turn of the colour circle in
            [-0.5, 0.5], in steps of 1/255) and its value.
    """
    for name, value in steps:
        img = _of_bands(img, partial(_changed, name, value))
    return img


def _changed(name: str, value: float, img: Image.Image) -> Image.Image:
    return _CHANGES[name](img, value)


def _of_bands(img: AnyImage, change: Callable[[Image.Image], Image.Image]) -> AnyImage:
    """Change a picture, or each band of one that isn't RGB."""
    return img.each(change) if isinstance(img, BandStack) else change(img)


def grey_image(img: Image.Image) -> Image.Image:
    """ITU-R 601 luma in all three channels."""
    return img.convert('L').convert('RGB')


def blur_image(img: AnyImage, radius: float) -> AnyImage:
    """PIL's Gaussian blur; ``radius`` is its standard deviation in pixels."""
    return img.filter(ImageFilter.GaussianBlur(radius))


def solarise_image(img: AnyImage, threshold: int = 128) -> AnyImage:
    """Invert every value that reaches the threshold."""
    return _of_bands(img, lambda one: ImageOps.solarize(one, threshold))
