# Licensed under Apache-2.0.
"""Work dirs as the tools leave them, with a trained network on a few pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.drawn_shapes import CHECKPOINT, draw_shapes
from tests.helpers.run_folders import LINES, shapes_config, write_session


@pytest.fixture(scope='session')
def drawn(tmp_path_factory) -> Path:
    """Shapes: 4 pictures to train on, 6 to test."""
    return draw_shapes(tmp_path_factory.mktemp('shapes'), train=4, val=2, test=6)


@pytest.fixture(scope='session')
def make_run(drawn, tmp_path_factory) -> Callable[..., Path]:
    """``make_run(name)`` writes the work dir of a finished training."""

    def make(
        name: str = 'toco',
        data: Path = drawn,
        lines: list[str] = LINES,
        weights: bool = True,
        **loaders: object,
    ) -> Path:
        run = tmp_path_factory.mktemp('work') / name
        write_session(run, '20260102_100000', lines, shapes_config(data, **loaders))
        if weights:
            shutil.copy(CHECKPOINT, run / 'iter_4.pth')
            (run / 'last_checkpoint').write_text('/elsewhere/iter_4.pth')
        return run

    return make


@pytest.fixture(scope='session')
def finished(make_run) -> Path:
    """A finished run that was tested."""
    run = make_run()
    scores = dict(seg_mIoU=58.25, images=300, classes=dict(seg=dict(dots=50.0)))
    (run / 'metrics.json').write_text(json.dumps(scores))
    return run
