# Licensed under Apache-2.0.
from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from .atomic_file import write_atomic
from .checkpoint import load_checkpoint_file, use_safe_checkpoints
from .output_folder import OutputError, refuse_inputs
from .plain import to_plain

#: key of the meta data of a converted file
CONVERTED = 'converted'


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
    claim_target(target, source)
    state = convert(load_checkpoint_file(source, map_location='cpu'))
    write_state(state, source, target)


def claim_target(target: str, source: str) -> None:
    """Refuse to write over the source, or over a checkpoint that training made.

    Raises:
        OutputError: naming the file.
    """
    refuse_inputs(target, [source], 'the target')
    if os.path.exists(target):
        found = load_checkpoint_file(target, map_location='cpu')
        if not _is_converted(found):
            raise OutputError(
                f'{target} is there and is no converted file: give another name, or '
                'move it away'
            )


def _is_converted(found: Any) -> bool:
    if not isinstance(found, dict) or set(found) - {'meta'} != {'state_dict'}:
        return False
    return 'meta' not in found or found['meta'].get(CONVERTED) is True


def write_state(
    state: Mapping[str, Tensor],
    source: str,
    target: str,
    meta: Mapping[str, Any] | None = None,
) -> None:
    """Write ``dict(state_dict=…)`` of plain tensors, atomically.

    Args:
        state: the tensors.
        source: where they are from, for the log.
        target: path to write.
        meta: what else the file says, plain (``dataset_meta``, as checkpoints have it).
    """
    claim_target(target, source)
    buffer = io.BytesIO()
    content: dict[str, Any] = dict(state_dict=dict(state))
    if meta is not None:
        content['meta'] = to_plain({**meta, CONVERTED: True}, 'meta')
    torch.save(content, buffer)
    write_atomic(buffer.getvalue(), target)
    print_log(f'{source}: {len(state)} tensors written to {target}', 'current')
