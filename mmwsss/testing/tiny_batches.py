# Licensed under Apache-2.0.
"""Small batches in the form in which the pipelines pack them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor

#: height and width of a training picture in pixels
SIZE = 96
#: views of a training picture, for methods that read several
VIEWS = ('view1', 'view2', 'local')
#: image labels (CAM channels) of the four pictures; the last one has none
LABELS = ((0, 3), (2,), (5, 1, 4), ())


def labels_of(num_foreground: int) -> tuple[tuple[int, ...], ...]:
    """:data:`LABELS` for a network of C classes: channels above are counted from 0."""
    return tuple(
        tuple(dict.fromkeys(c % num_foreground for c in some)) for some in LABELS
    )


def pictures(
    count: int, size: tuple[int, int] = (SIZE, SIZE), seed: int = 0
) -> list[Tensor]:
    """Smooth random pictures with some noise, (3, H, W) uint8."""
    generator = torch.Generator().manual_seed(seed)
    coarse = 255 * torch.rand(count, 3, 5, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size, mode='bicubic')
    noise = 20 * torch.randn(count, 3, *size, generator=generator)
    return list((smooth + noise).clamp(0, 255).to(torch.uint8))


def sample(
    labels: Sequence[int] | None,
    size: tuple[int, int],
    index: int = 0,
    box: Sequence[int] | None = None,
) -> SegDataSample:
    """A data sample as the pipelines pack it."""
    meta = dict(img_path=f'{index}.jpg', img_id=str(index), ori_shape=size)
    if labels is not None:
        meta['gt_labels'] = tuple(labels)
    out = SegDataSample(metainfo=meta)
    if box is not None:
        out.set_data(dict(valid_box=torch.tensor(box)))
    return out


def saliency_map(index: int) -> PixelData:
    """A soft disc (1, SIZE, SIZE) in [0, 1], another one for each image."""
    axis = torch.linspace(-1, 1, SIZE)
    centre = torch.linspace(-0.4, 0.4, 4)[index % 4]
    distance = ((axis[:, None] - centre) ** 2 + (axis[None] + centre) ** 2).sqrt()
    return PixelData(data=(4 * (0.6 - distance)).sigmoid()[None])


def segment_map(size: tuple[int, int], index: int) -> PixelData:
    """Slanted bands (1, H, W) int64, numbered from 1, others for each image."""
    rows, columns = (torch.arange(side) for side in size)
    return PixelData(data=(rows[:, None] + index * columns)[None] // 12 + 1)


def train_batch(model: WeakSegmentor, images: Sequence[int] = (0, 1)) -> dict:
    """Preprocessed ``inputs`` and ``data_samples`` of a training step.

    Args:
        model: the network. It gets one tensor of pictures where its data
            preprocessor has ``zero_padding=('img',)``, else a dict of
            :data:`VIEWS`.
        images: which of the four pictures of :data:`LABELS`.
    """
    labels = labels_of(model.num_foreground)
    boxes = ((0, 96, 0, 96), (8, 96, 0, 80), (0, 64, 16, 96), (0, 96, 0, 96))
    views = {
        name: [pictures(4, seed=seed)[i] for i in images]
        for seed, name in enumerate(VIEWS)
    }
    samples = [sample(labels[i], (SIZE, SIZE), i, boxes[i]) for i in images]
    for i, one in zip(images, samples, strict=True):
        one.saliency, one.segments = saliency_map(i), segment_map((SIZE, SIZE), i)
    one_view = 'img' in model.data_preprocessor.zero_padding
    inputs = views['view1'] if one_view else views
    return model.data_preprocessor(dict(inputs=inputs, data_samples=samples), True)


def predict_batch(
    model: WeakSegmentor,
    images: Sequence[int] = (0, 1),
    sizes: Sequence[tuple[int, int]] = ((64, 80), (64, 80)),
    labels: str = 'gt',
) -> dict:
    """Preprocessed ``inputs`` and ``data_samples`` of a prediction.

    Args:
        model: the network.
        images: which of the four pictures of :data:`LABELS`.
        sizes: (H, W) of each picture.
        labels: which image labels they bring: ``'gt'``, ``'wrong'`` or ``'none'``.
    """
    count = model.num_foreground
    true = labels_of(count)
    wrong = [tuple((c + 1) % count for c in some) for some in true]
    known = dict(gt=true, wrong=wrong, none=[None] * len(true))[labels]
    inputs = [pictures(1, size, seed=10 + i)[0] for i, size in zip(images, sizes)]
    # labels are 5 pixels wider than the image: outputs follow ori_shape
    samples = [
        sample(known[i], (size[0], size[1] + 5), i) for i, size in zip(images, sizes)
    ]
    for i, size, one in zip(images, sizes, samples):
        one.segments = segment_map(size, i)
    return model.data_preprocessor(dict(inputs=inputs, data_samples=samples), False)
