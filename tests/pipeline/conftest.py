# Licensed under Apache-2.0.
"""A pipeline of stand-in tools and the folder of its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.pipelines import write_pipeline


@pytest.fixture
def config(tmp_path) -> Path:
    """The config of a pipeline, with those that it names beside it."""
    return write_pipeline(tmp_path / 'configs')


@pytest.fixture
def work(tmp_path) -> Path:
    """The work directory of a run, not made yet."""
    return tmp_path / 'work'
