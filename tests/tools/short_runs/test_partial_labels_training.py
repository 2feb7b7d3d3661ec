# Licensed under Apache-2.0.
"""A few iterations on image labels and a little more, through the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmwsss.testing import run_tool as run
from mmwsss.testing import train
from tests.helpers.short_runs import TOCO, losses, short_config

PARTIAL = """
_base_ = [{base!r}]
model = dict(train_cfg=dict(weights=dict(partial={weight})))
train_dataloader = dict(dataset=dict(
  side_inputs=dict(partial=dict(dir={known!r}, root='.', kind='ids')), pipeline=[
    dict(type='LoadPicture'), dict(type='LoadSideInputs'),
    dict(type='ToCoViews', crop_size=96), dict(type='PackWeakInputs')]))
"""


@pytest.fixture
def known(shapes, weak, tmp_path) -> Path:
    """One point for each region of all training pictures; masks are elsewhere."""
    run(
        'tools/dataset_converters/partial_labels.py',
        short_config(TOCO, weak, tmp_path),
        '--points',
        '--ann-dir',
        shapes / 'SegmentationClass',
        '--out',
        tmp_path / 'known',
        '--workers',
        '0',
    )
    return tmp_path / 'known'


def config(weak: Path, tmp_path: Path, known: Path, weight: float = 1.0) -> Path:
    base = short_config(TOCO, weak, tmp_path)
    path = tmp_path / 'partial.py'
    path.write_text(PARTIAL.format(base=str(base), known=str(known), weight=weight))
    return path


def test_points_beside_image_labels(weak, known, tmp_path) -> None:
    """Announced, learnt from in every iteration, and its masks keep them."""
    path = config(weak, tmp_path, known)
    done = train(path, tmp_path / 'run')
    log = done.stdout + done.stderr
    assert log.count('24 of 24 pictures; of the 24 looked at') == 1
    assert 'These are more than image labels.' in log
    steps = losses(log)
    assert len(steps) == 6 and all('loss_partial' in step for step in steps)
    assert all(np.isfinite(list(step.values())).all() for step in steps)
    assert any(step['loss_partial'] > 0 for step in steps)
    assert 'loss_seg' in steps[-1]
    assert 'of other pictures' not in log


def test_a_weight_without_labels_ends_in_one_line(weak, known, tmp_path) -> None:
    path = config(weak, tmp_path, known)
    shutil.rmtree(known)
    done = train(path, tmp_path / 'run', check=False)
    assert done.returncode and 'holds no .png file' in done.stderr
    assert 'Traceback' not in done.stderr and 'Iter(train)' not in done.stdout
