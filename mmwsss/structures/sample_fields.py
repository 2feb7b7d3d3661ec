# Licensed under Apache-2.0.
"""Fields of a batch of samples, stacked; what lacks one is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

#: the side input of pixels whose class is known beside the image labels: ids 0..C where
#: one is, 255 elsewhere. The one exception from "no pixel labels in training", opt-in.
PARTIAL = 'partial'


def label_lists(samples: Sequence[Any]) -> list[tuple[int, ...]]:
    """The zero-based class channels of each image, ``gt_labels``.

    Raises:
        ValueError: naming an image that has no labels.
    """
    lists = [sample.get('gt_labels') for sample in samples]
    if None in lists:
        lacking = samples[lists.index(None)].get('img_path')
        raise ValueError(
            f"{lacking} has no gt_labels; training and cam_filter='gt' need image "
            "labels: let PackWeakInputs keep them, or predict with cam_filter='pred'"
        )
    return lists


def valid_boxes(samples: Sequence[Any]) -> Tensor | None:
    """(B, 4) boxes of real pixels, or ``None`` where the pipeline gives none."""
    if not all('valid_box' in sample for sample in samples):
        return None
    return torch.stack([sample.valid_box for sample in samples])


def side_input(
    data_samples: Sequence[Any],
    name: str,
    kind: str,
    hint: str = '',
    size: tuple[int, int] | None = None,
) -> list[Tensor]:
    """A dense side input of each picture of a batch.

    Args:
        data_samples: ``SegDataSample`` objects; the field ``name`` is a ``PixelData``
            or a tensor.
        name: as the data set declares it.
        kind: the kind that the reader of the field counts on, for the error.
        hint: what may be done instead, for the error.
        size: (H, W) of the result; default: as it is.

    Returns:
        One tensor (channels, H, W) a picture, as its kind packs it.

    Raises:
        ValueError: naming a picture that has none, and the declaration.
    """
    for sample in data_samples:
        if name not in sample:
            raise ValueError(
                f'{sample.get("img_path")} has no side input {name!r}: declare '
                f"side_inputs=dict({name}=dict(dir='FOLDER', kind={kind!r})) in the "
                f'data set and put LoadSideInputs into its pipeline{hint}'
            )
    # PixelData and tensors both have `data`
    fields = [getattr(sample, name).data for sample in data_samples]
    return fields if size is None else [at_size(field, size) for field in fields]


def known_pixels(samples: Sequence[Any], needed: bool = False) -> Tensor | None:
    """What is known of the pixels of a batch (B, H, W) int64, 255 elsewhere.

    Args:
        samples: ``SegDataSample`` objects.
        needed: whether a loss learns from it.

    Returns:
        ``None`` where the data set gives no side input ``partial``.

    Raises:
        ValueError: if it is needed and a picture has none.
    """
    if not needed and not all(PARTIAL in sample for sample in samples):
        return None
    return id_maps(samples, PARTIAL)


def id_maps(
    samples: Sequence[Any], name: str, size: tuple[int, int] | None = None
) -> Tensor:
    """A side input of ids of a batch, (B, H, W) int64; see :func:`side_input`."""
    return torch.stack(side_input(samples, name, 'ids', size=size)).squeeze(1)


def at_size(field: Tensor, size: tuple[int, int]) -> Tensor:
    """A field (channels, h, w) at another size: ids by nearest neighbours.

    Args:
        field: whole numbers below 2^24, or floating.
        size: (H, W).
    """
    if tuple(field.shape[-2:]) == tuple(size):
        return field
    mode = 'bilinear' if field.is_floating_point() else 'nearest-exact'
    return F.interpolate(field[None].float(), size, mode=mode)[0].to(field.dtype)
