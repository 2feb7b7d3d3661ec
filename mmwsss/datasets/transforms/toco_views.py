# Licensed under Apache-2.0.
from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.datasets.transforms import draw
from mmwsss.datasets.transforms import functional as F
from mmwsss.registry import TRANSFORMS

from .band_checks import refuse_bands
from .band_stack import AnyImage, to_image
from .fields import MASK_KEY, crop_fields, flip_fields, resize_fields
from .number_pairs import height_width, pair

_VIEW1 = dict(blur_prob=1.0)
_VIEW2 = dict(blur_prob=0.1, solarise_prob=0.2)
_LOCAL = dict(blur_prob=0.5)


@dataclass(frozen=True)
class ToCoParams:
    """Every random choice for one image.

    Attributes:
        scale: factor of the first resizing.
        flip: mirror the scaled image.
        pad_yx, crop_yx: place of the image and of the crop on the canvas.
        view1, local: colours of the crop as view 1 and as source of local crops.
        view2_box: part of the raw image that view 2 shows, (y0, y1, x0, x1).
        view2: colours of view 2.
    """

    scale: float
    flip: bool
    pad_yx: tuple[int, int]
    crop_yx: tuple[int, int]
    view1: draw.PhotoParams
    local: draw.PhotoParams
    view2_box: F.Box
    view2: draw.PhotoParams


def photo(img: AnyImage, params: draw.PhotoParams) -> np.ndarray:
    """Mirror and recolour one view; gives (H, W, N) uint8."""
    if params.flip:
        img = F.flip_image(img)
    img = F.color_jitter(img, params.jitter)
    if params.grey:
        img = F.grey_image(img)
    if params.radius is not None:
        img = F.blur_image(img, params.radius)
    if params.solarise:
        img = F.solarise_image(img)
    return np.asarray(img)


def toco_views(
    img: AnyImage,
    params: ToCoParams,
    crop_size: tuple[int, int],
    mirror_box: bool = False,
) -> tuple[dict[str, np.ndarray], F.Box]:
    """The three views of ToCo for given random choices.

    View 1 feeds classification, CAM, refinement and segmentation; view 2 and
    crops of the local source feed the class-token contrast.

    Args:
        img: the raw picture, RGB or a stack of bands.
        params: the random choices.
        crop_size: ``(height, width)`` of all three views.
        mirror_box: mirror the box when view 1 is mirrored a second time. The
            published runs do not, so their box is then off.

    Returns:
        ``view1``, ``view2`` and ``local`` as (H, W, N) uint8, and the box
        (y0, y1, x0, x1) of the real pixels of view 1.
    """
    scaled = F.scale_image(img, params.scale)
    if params.flip:
        scaled = F.flip_image(scaled)
    place = (crop_size, params.pad_yx, params.crop_yx)
    crop = to_image(F.pad_crop(np.asarray(scaled), *place))
    box = F.crop_box(scaled.size[::-1], *place)
    if mirror_box and params.view1.flip:
        box = F.mirror_box(box, crop_size[1])
    views = dict(
        view1=photo(crop, params.view1),
        view2=photo(F.resized_crop(img, params.view2_box, crop_size), params.view2),
        local=photo(crop, params.local),
    )
    return views, box


def move_fields(
    results: dict, params: ToCoParams, shape: tuple[int, int], crop_size: tuple
) -> None:
    """Let side inputs go where view 1 goes, see :mod:`.fields`.

    Args:
        results: with the side inputs that are loaded; changed in place.
        params: the random choices.
        shape: ``(height, width)`` of the raw picture.
        crop_size: ``(height, width)`` of the view.
    """
    resize_fields(results, F.scaled_shape(shape, params.scale), resample='bilinear')
    if params.flip:
        flip_fields(results)
    crop_fields(results, crop_size, params.pad_yx, params.crop_yx)
    if params.view1.flip:
        flip_fields(results)


@TRANSFORMS.register_module()
class ToCoViews(BaseTransform):
    """Draw the three views of ToCo (paper section 4.1; ``DINO`` colours).

    View 1: scale, flip, pad and crop with box, then flip, jitter, grey, blur.
    Local source: the same crop with its own flip and colours. View 2: random
    resized crop of the raw image, then flip and colours.

    Required keys: ``img`` (H, W, N) uint8, RGB or other bands. Added keys: ``views``,
    ``valid_box``, ``img_shape``. The key ``img`` is removed. Side inputs follow view 1.

    Args:
        crop_size: side of the views in pixels, or ``(height, width)``.
        scale_range: range of the factor of the first resizing.
        flip_prob: probability of the first flip.
        view2_area: range of the share of the image that view 2 shows.
        view2_aspect: range of the width / height of that part.
        view1, view2, local: changes to the colours of one view: keyword
            arguments of :func:`.draw.draw_photo`, laid over the published ones
            (blur 1.0 / 0.1 / 0.5, solarise 0 / 0.2 / 0).
        mirror_box: False, the published behaviour: the box stays where it was
            when view 1 is mirrored after the crop. True corrects it.
        independent_local_flip: True, the published behaviour: the local source
            is mirrored by its own draw, so half the time it is the mirror image
            of view 1 and regions found on view 1 do not fit it. False: it is
            mirrored with view 1.
    """

    def __init__(
        self,
        crop_size: int | tuple[int, int] = 448,
        scale_range: tuple[float, float] = (0.5, 2.0),
        flip_prob: float = 0.5,
        view2_area: tuple[float, float] = (0.4, 1.0),
        view2_aspect: tuple[float, float] = (3 / 4, 4 / 3),
        view1: Mapping | None = None,
        view2: Mapping | None = None,
        local: Mapping | None = None,
        mirror_box: bool = False,
        independent_local_flip: bool = True,
    ) -> None:
        self.crop_size = height_width(crop_size)
        self.scale_range = pair(scale_range)
        self.flip_prob = flip_prob
        self.view2_area = pair(view2_area)
        self.view2_aspect = pair(view2_aspect)
        self.photo = dict(
            view1={**_VIEW1, **(view1 or {})},
            view2={**_VIEW2, **(view2 or {})},
            local={**_LOCAL, **(local or {})},
        )
        self.mirror_box = mirror_box
        self.independent_local_flip = independent_local_flip

    def draw(self, rng: draw.Rng, shape: tuple[int, int]) -> ToCoParams:
        """All random choices for an image of that (height, width)."""
        scale = rng.uniform(*self.scale_range)
        scaled = F.scaled_shape(shape, scale)
        pad_yx, crop_yx = draw.draw_pad_crop(rng, scaled, self.crop_size)
        view1 = draw.draw_photo(rng, **self.photo['view1'])
        local = draw.draw_photo(rng, **self.photo['local'])
        if not self.independent_local_flip:
            local = draw.PhotoParams(**{**vars(local), 'flip': view1.flip})
        return ToCoParams(
            scale=scale,
            flip=draw.chance(rng, self.flip_prob),
            pad_yx=pad_yx,
            crop_yx=crop_yx,
            view1=view1,
            local=local,
            view2_box=draw.draw_area_box(
                rng, shape, self.view2_area, self.view2_aspect
            ),
            view2=draw.draw_photo(rng, **self.photo['view2']),
        )

    def refuse_bands(self, count: int) -> None:
        """Refuse pictures of another number of bands than 3.

        Raises:
            UserError: if a view changes saturation or hue, or becomes grey.
        """
        for name, changes in self.photo.items():
            jitter = changes.get('jitter', draw.DINO_JITTER)
            colours = changes.get('jitter_prob', 1) and any(jitter[2:])
            if colours or changes.get('grey_prob', 1):
                refuse_bands(
                    f'ToCoViews.{name}',
                    count,
                    f'set {name}=dict(jitter=(0.4, 0.4, 0, 0), grey_prob=0)',
                )

    def transform(self, results: dict) -> dict:
        """Replace ``img`` by ``views`` and add the box of view 1.

        Raises:
            ValueError: if a mask was loaded: no method that takes these views reads it.
        """
        if MASK_KEY in results:
            raise ValueError(
                f'{results.get("img_path")}: ToCoViews carries no masks. Take LoadMask '
                'out of the train pipeline, or use PILRandomScale, PILRandomFlip and '
                'PILPadCrop'
            )
        self.refuse_bands(results['img'].shape[2])
        img = results.pop('img')
        params = self.draw(random, img.shape[:2])
        move_fields(results, params, img.shape[:2], self.crop_size)
        results['views'], results['valid_box'] = toco_views(
            to_image(img), params, self.crop_size, self.mirror_box
        )
        results['img_shape'] = self.crop_size
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(crop_size={self.crop_size})'
