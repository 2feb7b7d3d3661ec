# Licensed under Apache-2.0.
"""What an export needs and mmwsss itself doesn't."""

from __future__ import annotations

import importlib
from types import ModuleType

from mmwsss.io.errors import UserError

#: module → what it does
_PARTS = {
    'onnx': 'ONNX files are written',
    'onnxscript': 'ONNX files are written',
    'onnxruntime': 'ONNX files are checked before they get their name',
    'skimage.data': 'the photos on which an export is checked are read',
}


def needed(name: str) -> ModuleType:
    """An optional module.

    Args:
        name: a key of ``_PARTS``.

    Raises:
        UserError: naming the extra that brings it, if it isn't installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as err:
        raise UserError(
            f'{_PARTS[name]} by {name.split(".")[0]}, which is not installed: '
            'pip install "mmwsss[deploy]"'
        ) from err
