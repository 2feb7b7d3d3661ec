# Licensed under Apache-2.0.
from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import torch
from mmengine.logging import print_log
from torch import Tensor

from .atomic_file import write_atomic
from .checkpoint import load_checkpoint_file, use_safe_checkpoints


def convert_file(
    source: str,
    target: str,
    convert: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
) -> None:
    """Convert one checkpoint file into ``dict(state_dict=…)`` of plain tensors.

    Args:
        source: path or URL of the published file.
        target: path to write, atomically.
        convert: key map, see :mod:`mmwsss.models.converters.vit_keys`.

    Raises:
        ValueError: if the file's keys aren't of the layout that ``convert`` knows.
    """
    use_safe_checkpoints()
    state = convert(load_checkpoint_file(source, map_location='cpu'))
    write_state(state, source, target)


def write_state(state: Mapping[str, Tensor], source: str, target: str) -> None:
    """Write ``dict(state_dict=…)`` of plain tensors, atomically.

    Args:
        state: the tensors.
        source: where they are from, for the log.
        target: path to write.
    """
    buffer = io.BytesIO()
    torch.save(dict(state_dict=dict(state)), buffer)
    write_atomic(buffer.getvalue(), target)
    print_log(f'{source}: {len(state)} tensors written to {target}', 'current')
