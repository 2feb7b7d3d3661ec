# Licensed under Apache-2.0.
"""A few real photos of COCO, where there are any.

They lie in ``$MMWSSS_TINY_COCO``, by default ``../shared/data/tiny_coco``.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mmwsss.testing import run_tool as run
from mmwsss.testing import train
from tests.helpers import ROOT
from tests.helpers.short_runs import COCO, losses, scores, short_config


@pytest.fixture(scope='session')
def photos(tmp_path_factory) -> Path:
    """A few photos of COCO in the layout of the data set."""
    source = Path(
        os.environ.get('MMWSSS_TINY_COCO')
        or ROOT.parent / 'shared' / 'data' / 'tiny_coco'
    )
    if not source.is_dir():
        pytest.skip(
            f'no photos in {source}; set MMWSSS_TINY_COCO to a folder with '
            'annotations, train2017 and val2017'
        )
    folder = tmp_path_factory.mktemp('coco')
    for split in ('train', 'val'):
        run(
            'tools/dataset_converters/coco14.py',
            '--split',
            split,
            '--images',
            source / f'{split}2017',
            '--annotations',
            source / 'annotations' / f'instances_{split}2017.json',
            '--out',
            folder,
            '--keep-empty',
        )
    return folder


def test_real_photos(photos, tmp_path) -> None:
    config = short_config(COCO, photos, tmp_path, limit='indices=4')
    done = train(
        config,
        tmp_path / 'run',
        options={'train_cfg.max_iters': 3, 'train_cfg.val_interval': 3},
    )
    log = done.stdout + done.stderr
    steps = losses(log)
    assert len(steps) == 3 and 'loss_reg' in steps[2]
    assert np.isfinite([v for s in steps for v in s.values()]).all()
    assert 0 <= scores(log)['cam_mIoU'] <= 100
