# Licensed under Apache-2.0.
"""Reference data: where it lies and how a test opens it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

VARIABLE = 'MMWSSS_GOLDENS'
SHIPPED = Path(__file__).parents[1] / 'data' / 'goldens'


def golden_folder() -> Path:
    """The folder of the ``MMWSSS_GOLDENS`` variable, else the shipped subset."""
    return Path(os.environ.get(VARIABLE) or SHIPPED)


def load_golden(name: str) -> dict[str, np.ndarray]:
    """All arrays of ``<name>.npz``.

    Skips the test only when that file isn't in the folder; a folder that
    doesn't exist is an error of whoever set the variable, never a skip.
    """
    folder = golden_folder()
    if not folder.is_dir():
        pytest.fail(f'{VARIABLE}: the folder {folder} does not exist', pytrace=False)
    path = folder / f'{name}.npz'
    if not path.is_file():
        pytest.skip(f'{path.name} is not in {folder}; set {VARIABLE} to the full set')
    with np.load(path, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


@pytest.fixture
def golden() -> Callable[[str], dict[str, np.ndarray]]:
    """``golden(name)`` gives the arrays of one reference file."""
    return load_golden
