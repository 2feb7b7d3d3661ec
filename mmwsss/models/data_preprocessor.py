# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmwsss.cam import box_mask, denormalise
from mmwsss.io.errors import UserError
from mmwsss.io.pictures.levels import shown_channels
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.registry import MODELS


def zero_outside(images: Tensor, boxes: Tensor) -> Tensor:
    """Set pixels outside the boxes to 0.

    Args:
        images: (B, C, H, W).
        boxes: (B, 4) int64, (y0, y1, x0, x1), half-open.
    """
    return images * box_mask(boxes, tuple(images.shape[2:]))[:, None]


def shown_bands(levels: Tensor, rule: PictureRule) -> Tensor:
    """Grey levels (B, N, H, W) of N bands → the three that are shown, (B, 3, H, W).

    Of other bands than RGB: those that ``show_bands`` names, else the first three.
    """
    channels = shown_channels(levels.shape[1], rule)
    if levels.shape[1] == 3 and channels == (0, 1, 2):
        return levels
    return torch.stack([levels[:, channel] for channel in channels], 1)


@MODELS.register_module()
class WeakDataPreProcessor(BaseDataPreprocessor):
    """Batch the views, move them to the device, normalise.

    Args:
        mean: of R, G, B on 0..255; or of each of N bands.
        std: likewise.
        zero_padding: names of the views (``'img'`` where there is only one) whose
            pixels outside ``valid_box`` are set to 0 after normalising, for methods
            that pad a normalised image. ToCo pads before, so its padding is black.
        non_blocking: copy to the device without waiting.

    The buffers ``mean`` and ``std``, (N, 1, 1), turn a normalised image back
    (:meth:`denormalise`), as refinement and pictures need it.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        zero_padding: Sequence[str] = (),
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking)
        if not mean or len(mean) != len(std) or min(std) <= 0:
            raise ValueError(
                'mean and std must be one number a band each (three for RGB), std '
                f'positive; got mean={mean}, std={std}'
            )
        self.zero_padding = tuple(zero_padding)
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1), False)
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1), False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a collated batch.

        Args:
            data: ``inputs``, a list of (N, H, W) uint8 or a dict of such lists,
                and ``data_samples``.
            training: views must then agree in size.

        Returns:
            ``inputs``: (B, N, H, W) float32 or a dict of such; in testing with
            images of several sizes a list of (N, H, W). ``data_samples``: on the
            device.

        Raises:
            ValueError: if training views of one batch differ in size.
            UserError: if pictures have another number of bands than ``mean``.
        """
        inputs = data['inputs']
        if isinstance(inputs, dict):
            inputs = {
                name: self._batch(images, training, name)
                for name, images in inputs.items()
            }
        else:
            inputs = self._batch(inputs, training, 'img')
        samples = self.cast_data(data.get('data_samples'))
        if training and self.zero_padding:
            boxes = torch.stack([sample.valid_box for sample in samples])
            if isinstance(inputs, dict):
                inputs |= {
                    name: zero_outside(inputs[name], boxes)
                    for name in self.zero_padding
                }
            else:
                inputs = zero_outside(inputs, boxes)
        return dict(inputs=inputs, data_samples=samples)

    def _batch(
        self, images: Tensor | Sequence[Tensor], training: bool, name: str
    ) -> Tensor | list[Tensor]:
        """Stack on the CPU: one copy of bytes, the arithmetic on the device."""
        if not isinstance(images, Tensor):
            sizes = {tuple(image.shape) for image in images}
            if len(sizes) > 1 and training:
                raise ValueError(
                    f'the images of {name!r} in one batch differ in size: '
                    f'{sorted(sizes)}; crop them to one size in the train pipeline, '
                    'or set batch_size=1'
                )
            if len(sizes) > 1:
                return [self.normalise(self.cast_data(image)) for image in images]
            images = torch.stack(list(images))
        return self.normalise(self.cast_data(images))

    def normalise(self, images: Tensor) -> Tensor:
        """(..., N, H, W) on 0..255 to float32 of mean 0, deviation 1."""
        if images.shape[-3] != len(self.mean):
            raise UserError(
                f'pictures of {images.shape[-3]} bands meet a data_preprocessor with '
                f'{len(self.mean)} numbers in mean and std: give it one a band '
                '(tools/analysis_tools/check_dataset.py counts them), or take '
                f'{len(self.mean)} bands by picture=dict(bands=...) of the data set'
            )
        return (images.float() - self.mean) / self.std

    def denormalise(self, images: Tensor) -> Tensor:
        """(..., N, H, W) normalised, back to 0..255 (float, not rounded)."""
        return denormalise(images, self.mean, self.std)
