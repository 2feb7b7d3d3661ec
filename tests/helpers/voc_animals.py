# Licensed under Apache-2.0.
"""The photos of VOC Animals and DeiT's weights, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PHOTOS, WEIGHTS = 'MMWSSS_VOC_ANIMALS', 'MMWSSS_WEIGHTS'


def folder_of(variable: str, what: str) -> Path:
    """The folder that a variable names; skips the test where it names none."""
    folder = Path(os.environ.get(variable) or 'unset')
    if not folder.is_dir():
        pytest.skip(f'{variable} names no folder of {what}')
    return folder
