# Licensed under Apache-2.0.
from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.io.data_errors import PictureError
from mmwsss.io.errors import UserError, check_choice
from mmwsss.io.pictures.reader import read_picture
from mmwsss.registry import TRANSFORMS

ORDERS = ('rgb', 'bgr')
#: arguments of mmcv's loader that say nothing that counts here
_FOREIGN = frozenset(('type', 'color_type', 'imdecode_backend', 'backend_args'))


@TRANSFORMS.register_module()
class LoadPicture(BaseTransform):
    """Read ``img_path`` as the data set's ``picture=dict(...)`` says.

    Required keys: ``img_path``; ``picture``, a :class:`.PictureRule`, where the data
    set has one. Added keys: ``img`` (H, W, N) uint8, N = 3 unless the rule takes other
    bands; ``ori_shape`` and ``img_shape`` as (height, width); ``exif_orientation``,
    2..8, where the photo carries one.

    Args:
        channel_order: ``'rgb'``, or ``'bgr'`` for mmseg's transforms and models.
        backend_args: arguments of mmengine's file client, None for local files.
    """

    def __init__(
        self, channel_order: str = 'rgb', backend_args: dict | None = None
    ) -> None:
        check_choice('channel_order', channel_order, ORDERS)
        self.channel_order = channel_order
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read the picture.

        Raises:
            UnreadableImageError: if the file is missing or is no whole picture.
            PictureError: if the data set's rule doesn't cover it.
        """
        path, rule = results['img_path'], results.get('picture')
        img, kind = read_picture(path, rule, self.backend_args)
        if self.channel_order == 'bgr':
            img = self._reversed(img, path)
        results['img'] = img
        results['ori_shape'] = results['img_shape'] = img.shape[:2]
        if kind.orientation != 1:
            results['exif_orientation'] = kind.orientation
        return results

    @staticmethod
    def _reversed(img: np.ndarray, path: str) -> np.ndarray:
        if img.shape[2] != 3:
            raise PictureError(
                path,
                f"gives {img.shape[2]} bands, which have no order 'bgr'",
                "use channel_order='rgb', a WeakDataPreProcessor with a mean and "
                'deviation for each band, and the transforms of mmwsss',
            )
        return np.ascontiguousarray(img[..., ::-1])

    def __repr__(self) -> str:
        return f'{type(self).__name__}(channel_order={self.channel_order!r})'


@TRANSFORMS.register_module()
class LoadRGBImage(LoadPicture):
    """Old name of :class:`LoadPicture`; warns."""

    def __init__(self, backend_args: dict | None = None) -> None:
        warnings.warn(
            'the transform LoadRGBImage is LoadPicture now', FutureWarning, stacklevel=2
        )
        super().__init__(backend_args=backend_args)


def one_reader(step: Any) -> Any:
    """A config in the place of mmcv's loader, which reads by rules of its own.

    It turns photos or not, cuts 16 bits to 8 and drops bands, whatever the other stages
    do with the same file.

    Args:
        step: an entry of a pipeline.

    Raises:
        UserError: if it has an argument that :class:`LoadPicture` has no place for.
    """
    if not isinstance(step, Mapping):
        return step
    if str(step.get('type')).rpartition('.')[2] != 'LoadImageFromFile':
        return step
    more = sorted(set(step) - _FOREIGN)
    if more:
        raise UserError(
            f'LoadImageFromFile reads pictures in another way than all other stages; '
            f"use dict(type='LoadPicture', channel_order='bgr'), which has no {more}"
        )
    warnings.warn(
        "LoadImageFromFile is read as LoadPicture(channel_order='bgr'): every stage "
        'reads pictures in one way',
        FutureWarning,
        stacklevel=2,
    )
    backend = {k: v for k, v in step.items() if k == 'backend_args'}
    return dict(type='LoadPicture', channel_order='bgr', **backend)
