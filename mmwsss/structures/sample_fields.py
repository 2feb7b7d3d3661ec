# Licensed under Apache-2.0.
"""Fields of a batch of samples, stacked; what lacks one is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


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


def side_input(samples: Sequence[Any], name: str) -> Tensor:
    """A dense side input (B, channels, H, W) of a batch.

    Args:
        samples: of the batch.
        name: of the side input, as the data set declares it.

    Raises:
        ValueError: naming an image that has none.
    """
    for sample in samples:
        if name not in sample:
            raise ValueError(
                f'{sample.get("img_path")} brings no {name}: declare it in the data '
                f'set, side_inputs=dict({name}=dict(dir=..., kind=...)), and let its '
                'pipeline load it (LoadSideInputs)'
            )
    return torch.stack([sample.get(name).data for sample in samples])
