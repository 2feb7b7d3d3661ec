# Licensed under Apache-2.0.
"""A few Shapes pictures drawn for the purpose, and runs on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmwsss.testing import run_tool as run
from mmwsss.testing import train
from tests.helpers.short_runs import TOCO, configs_of_methods, short_config


@pytest.fixture(scope='session')
def shapes(tmp_path_factory) -> Path:
    """A small Shapes data set."""
    folder = tmp_path_factory.mktemp('shapes')
    run(
        'tools/dataset_converters/shapes.py',
        '--out',
        folder,
        '--train',
        '24',
        '--val',
        '6',
        '--test',
        '6',
        '--jobs',
        '1',
    )
    return folder


@pytest.fixture(scope='session')
def weak(shapes, tmp_path_factory) -> Path:
    """The same without the masks of the training images: no method may need them."""
    folder = tmp_path_factory.mktemp('weak')
    for entry in shapes.iterdir():
        if entry.name != 'SegmentationClass':
            (folder / entry.name).symlink_to(entry)
    (folder / 'SegmentationClass').mkdir()
    for mask in (shapes / 'SegmentationClass').iterdir():
        if not mask.stem.startswith('train'):
            (folder / 'SegmentationClass' / mask.name).symlink_to(mask)
    assert len(list((folder / 'SegmentationClass').iterdir())) == 12
    return folder


@pytest.fixture(scope='session')
def toco(weak, tmp_path_factory) -> Path:
    """The short ToCo config."""
    return short_config(TOCO, weak, tmp_path_factory.mktemp('toco'))


@pytest.fixture(
    scope='session',
    params=configs_of_methods(),
    ids=lambda path: path.stem.partition('_')[0],
)
def method(request, weak, tmp_path_factory) -> Path:
    """The short config of each method."""
    return short_config(request.param, weak, tmp_path_factory.mktemp('method'))


@pytest.fixture(scope='session')
def trained(toco) -> tuple[Path, str]:
    """The work directory of a short ToCo run and its log."""
    work_dir = toco.parent / 'run'
    done = train(toco, work_dir)
    return work_dir, done.stdout + done.stderr
