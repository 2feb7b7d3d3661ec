# Licensed under Apache-2.0.
"""A few pictures with their image labels, and labels generated from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmwsss.pipeline.generate.generate_cfg import GenerateCfg
from mmwsss.pipeline.generate.generate_labels import RunOptions, generate_labels
from tests.helpers.generation import config_of, draw_data, weights_of


@pytest.fixture(scope='module')
def place(tmp_path_factory) -> Path:
    """A folder with the data set and, once they were asked for, checkpoints."""
    root = tmp_path_factory.mktemp('generate')
    draw_data(root / 'data')
    return root


@pytest.fixture
def run(place, tmp_path):
    """``run(method, out, **settings)`` generates; gives the report and the folder."""

    def generate(
        method: str = 'toco',
        out: str = 'out',
        seed: int = 0,
        options: RunOptions | None = None,
        cfg=None,
        **settings,
    ):
        report = generate_labels(
            cfg or config_of(method, place / 'data'),
            weights_of(method, place, seed),
            tmp_path / out,
            GenerateCfg(**settings),
            options,
        )
        return report, tmp_path / out

    return generate
