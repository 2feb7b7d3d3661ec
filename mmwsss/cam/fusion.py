# Licensed under Apache-2.0.
"""Class activation maps from raw logits: fusion of scales and mirrors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

NORMALISE_EPS = 1e-5


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """``(int(scale * H), int(scale * W))``: the published rounding (truncation).

    A side has one pixel at least.
    """
    return max(int(scale * size[0]), 1), max(int(scale * size[1]), 1)


def long_side_size(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """``(int(H * q), int(W * q))`` with ``q = long_side / max(H, W)`` (AFA)."""
    factor = long_side / max(size)
    return max(int(size[0] * factor), 1), max(int(size[1] * factor), 1)


def scale_order(scales: Sequence[float], add_one: bool = True) -> tuple[float, ...]:
    """Scale 1 first, then the others in list order.

    Args:
        scales: positive factors.
        add_one: scale 1 takes part whether listed or not (ToCo's release);
            ``False``: only if listed.
    """
    others = (float(s) for s in scales if float(s) != 1.0)
    one = (1.0,) if add_one or 1.0 in map(float, scales) else ()
    return (*one, *others)


def strided_size(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Pixels of a grid that takes every ``stride``-th of (H, W), the first included."""
    return (size[0] - 1) // stride + 1, (size[1] - 1) // stride + 1


def scale_views(inputs: Any) -> dict[float, Any]:
    """Scale → images, of a batch that may hold ready views.

    Args:
        inputs: the images at scale 1; or views ``scale_<s>`` by name (``scale_0.5``,
            ``scale_1``, …), as ``PILMultiScale`` makes them.

    Raises:
        ValueError: if a view has another name, or scale 1 is missing.
    """
    if not isinstance(inputs, Mapping):
        return {1.0: inputs}
    try:
        views = {
            float(name.removeprefix('scale_')): view for name, view in inputs.items()
        }
    except ValueError as err:
        raise ValueError(
            f'views to predict must be named scale_<number>, got {sorted(inputs)}'
        ) from err
    if 1.0 not in views:
        raise ValueError(f'the views to predict lack scale_1, got {sorted(inputs)}')
    return views


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, half-pixel centres, no antialiasing; identity at equal size.

    Args:
        maps: (B, C, h, w).
        size: (H, W) in pixels.
    """
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    if not maps.shape[1]:  # of a picture without objects
        return maps.new_zeros(*maps.shape[:2], *size)
    return F.interpolate(maps, size=size, mode='bilinear', align_corners=False)


def at_least(images: Tensor, side: int) -> Tensor:
    """Images (B, C, H, W) with sides below ``side`` pixels stretched to it."""
    height, width = images.shape[-2:]
    return resize(images, (max(height, side), max(width, side)))


def with_mirror(images: Tensor) -> Tensor:
    """(B, 3, H, W) → (2B, 3, H, W): the images, then their horizontal mirrors."""
    return torch.cat([images, images.flip(-1)])


def merge_mirror(plain: Tensor, mirrored: Tensor, how: str = 'max') -> Tensor:
    """Merge maps of images with the maps of their mirrors.

    Args:
        plain: (B, C, H, W) maps of the images.
        mirrored: (B, C, H, W) maps of the mirrored images, not yet un-mirrored.
        how: ``'max'``, ``'sum'`` or ``'mean'``.

    Raises:
        ValueError: if ``how`` is none of these.
    """
    back = mirrored.flip(-1)
    if how == 'max':
        return torch.maximum(plain, back)
    if how == 'sum':
        return plain + back
    if how == 'mean':
        return (plain + back) / 2
    raise ValueError(f"how must be 'max', 'sum' or 'mean', got {how!r}")


def normalise_cam(cam: Tensor, eps: float = NORMALISE_EPS) -> Tensor:
    """Min-max normalisation per image and class (ToCo's release).

    The spatial minimum is subtracted *after* ReLU and summation, so a map that is
    positive everywhere is stretched to start at 0 and one that is zero everywhere
    stays zero.

    Args:
        cam: (B, C, H, W), non-negative.
        eps: added to the maximum of the shifted map.

    Returns:
        (B, C, H, W) in [0, 1).
    """
    cam = cam - cam.amin(dim=(-2, -1), keepdim=True)
    return cam / (cam.amax(dim=(-2, -1), keepdim=True) + eps)


def max_normalise_cam(cam: Tensor, eps: float = NORMALISE_EPS) -> Tensor:
    """Division by the maximum per image and class (SemFormer, EPS).

    Args:
        cam: (B, C, H, W), non-negative.
        eps: added to the maximum.

    Returns:
        (B, C, H, W) in [0, 1); a map that is zero everywhere stays zero.
    """
    return cam / (cam.amax(dim=(-2, -1), keepdim=True) + eps)


def raw_cam(cam: Tensor, eps: float = NORMALISE_EPS) -> Tensor:
    """No normalisation: the sum of the scales as it is, on one scale for all images.

    Args:
        cam: (B, C, H, W), non-negative.
        eps: not read.

    Returns:
        The same.
    """
    return cam


#: 'ready': maps that come in [0, 1] stay as they are; of several scales the mean
NORMALISE = {
    'minmax': normalise_cam,
    'max': max_normalise_cam,
    'none': raw_cam,
    'ready': raw_cam,
}


def fuse_cams(
    raw: Sequence[tuple[Tensor, Tensor | None]],
    size: tuple[int, int],
    eps: float = NORMALISE_EPS,
    pair: str = 'max',
    normalise: str = 'minmax',
    multiple: int = 1,
    signed: bool = False,
) -> Tensor:
    """Fuse CAMs of several scales and their mirrors.

    Resize to the image, merge each mirrored pair, ReLU, sum over scales, normalise
    (ToCo, section 3.1 with the released multi-scale fusion).

    Args:
        raw: a pair for each scale: logits, or maps that are non-negative already,
            (B, C, h, w) of the images and of their mirrors (not yet un-mirrored;
            ``None`` without mirrors).
        size: (H, W) of the image at scale 1.
        eps: see :func:`normalise_cam`.
        pair: ``'max'`` (ToCo, FSR, AFA) or ``'sum'`` (SemFormer, EPS) of a pair.
        normalise: ``'minmax'`` (ToCo, FSR, AFA), ``'max'`` (SemFormer, EPS),
            ``'none'``: sums without an upper bound; or ``'ready'``: maps that come in
            [0, 1] and are only averaged (CLIP-ES); ``pair`` isn't ``'sum'`` then.
        multiple: maps are resized to ``size`` rounded up to a multiple of this, then
            cut; 1: straight to ``size``, the better geometry. SemFormer as released:
            16, though its inputs were stretched to that size, not padded.
        signed: no ReLU is taken: a value below 0 says less than 0 (MoRe's localisation
            attention map); then ``'minmax'`` alone gives maps in [0, 1).

    Returns:
        (B, C, H, W) float32 in [0, 1), but for ``normalise='none'``.
    """
    height, width = (-(-side // multiple) * multiple for side in size)
    total, grid = None, (height, width)
    for plain, mirrored in raw:
        # float32 from the logits on: half precision must not change a label.
        merged = resize(plain.float(), grid)
        if mirrored is not None:
            merged = merge_mirror(merged, resize(mirrored.float(), grid), pair)
        merged = merged if signed else merged.relu()
        total = merged if total is None else total + merged
    if total is None:
        raise ValueError('fuse_cams needs the logits of at least one scale, got none')
    if normalise == 'ready':
        total = total / len(raw)
    return NORMALISE[normalise](total[..., : size[0], : size[1]], eps)


def multi_scale(
    run: Callable[[Tensor], tuple[Tensor, ...]],
    images: Tensor,
    scales: Sequence[float],
    plain: tuple[Tensor, ...] | None = None,
    add_one: bool = True,
    mirror: bool = True,
) -> list[list[tuple[Tensor, Tensor | None]]]:
    """Run a network over scales and mirrors, one batch for each scale.

    Args:
        run: images (N, 3, h, w) → a tuple of raw logit maps (N, C, h', w'), one for
            each tap (final, auxiliary, …).
        images: (B, 3, H, W), normalised.
        scales, add_one: see :func:`scale_order`.
        plain: the taps of the un-mirrored images at scale 1 where they are known
            already (from the training pass): that pass isn't repeated.
        mirror: whether mirrored images take part.

    Returns:
        For each tap a list over scales of (plain, mirrored) pairs, as
        :func:`fuse_cams` takes them.
    """
    size = tuple(images.shape[-2:])
    per_scale = []
    for scale in scale_order(scales, add_one):
        scaled = images if scale == 1.0 else resize(images, scaled_size(size, scale))
        known = plain if scale == 1.0 else None
        if mirror and known is None:
            taps = tuple(tap.chunk(2) for tap in run(with_mirror(scaled)))
        else:
            images_only = run(scaled) if known is None else known
            mirrored = run(scaled.flip(-1)) if mirror else (None,) * len(images_only)
            taps = tuple(zip(images_only, mirrored, strict=True))
        per_scale.append(taps)
    return [list(tap) for tap in zip(*per_scale, strict=True)]


def fuse_seg_logits(
    raw: Sequence[tuple[Tensor, Tensor | None]],
    size: tuple[int, int],
    pair: str = 'sum',
    fuse: str = 'max',
    grid: tuple[int, int] | None = None,
) -> Tensor:
    """Fuse segmentation logits of several scales and mirrors at test time.

    Args:
        raw: a pair for each scale: logits (B, C + 1, h, w) of the images and of their
            mirrors (not yet un-mirrored; ``None`` without mirrors).
        size: (H, W) of the label.
        pair: ``'sum'`` (ToCo on VOC), ``'max'`` (on COCO) or ``'mean'`` of the pair.
        fuse: ``'max'`` (VOC), ``'sum'`` (COCO) or ``'mean'`` (WeCLIP) over scales.
        grid: size at which pairs and scales meet; ``None``: at ``size`` (ToCo). AFA:
            the size of the scale-1 logits.

    Returns:
        (B, C + 1, H, W) float32.

    Raises:
        ValueError: if ``pair`` or ``fuse`` is unknown.
    """
    if fuse not in ('max', 'sum', 'mean'):
        raise ValueError(f"fuse must be 'max', 'sum' or 'mean', got {fuse!r}")
    total = None
    for plain, mirrored in raw:
        logits = resize(plain.float(), grid or size)
        if mirrored is not None:
            logits = merge_mirror(logits, resize(mirrored.float(), grid or size), pair)
        if total is None:
            total = logits
        else:
            total = torch.maximum(total, logits) if fuse == 'max' else total + logits
    if total is not None and fuse == 'mean':
        total = total / len(raw)
    return total if total is None else resize(total, size)
