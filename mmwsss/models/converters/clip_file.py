# Licensed under Apache-2.0.
"""CLIP's public files, whatever their container, as tensors under OpenAI's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmwsss.io.checkpoint import load_checkpoint_file, local_file
from mmwsss.io.errors import UserError
from mmwsss.io.safetensors_file import is_safetensors, read_safetensors
from mmwsss.io.torchscript_archive import is_torchscript, read_torchscript

from .clip_keys import openai_layout


def load_clip_file(path: str) -> Any:
    """What a CLIP file holds; no code of it is run.

    Args:
        path: OpenAI's TorchScript archive (``ViT-B-16.pt``), a safetensors file, or a
            checkpoint of plain tensors, that one also by its address.

    Raises:
        UserError: if it is another kind of file.
    """
    file = local_file(path)
    if file is not None and is_torchscript(file):
        return read_torchscript(file)
    if file is not None and is_safetensors(file):
        return read_safetensors(file)
    return load_checkpoint_file(path, map_location='cpu')


def read_clip_file(path: str) -> dict[str, Tensor]:
    """All tensors of a CLIP file under OpenAI's names.

    Args:
        path: see :func:`load_clip_file`; in OpenAI's, open_clip's or Hugging Face's
            layout.

    Raises:
        UserError: if it is another kind of file, or no CLIP with a ViT.
    """
    state = load_clip_file(path)
    if isinstance(state, Mapping) and isinstance(state.get('state_dict'), Mapping):
        state = state['state_dict']
    if not isinstance(state, Mapping) or not all(
        isinstance(value, Tensor) for value in state.values()
    ):
        raise UserError(f'{path} holds no named tensors: give the file of a CLIP')
    try:
        plain = {k.removeprefix('module.'): v for k, v in state.items()}
        return openai_layout(plain)
    except ValueError as error:
        raise UserError(f'{path}: {error}') from None
