# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor


def side_input(
    data_samples: Sequence[Any], name: str, kind: str, hint: str = ''
) -> list[Tensor]:
    """A dense side input of each picture of a batch.

    Args:
        data_samples: ``SegDataSample`` objects; the field ``name`` is a ``PixelData``
            or a tensor.
        name: as the data set declares it.
        kind: the kind that the reader of the field counts on, for the error.
        hint: what may be done instead, for the error.

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
    return [getattr(sample, name).data for sample in data_samples]
