# Licensed under Apache-2.0.
"""The affinity stage and the walk follow ToCo by lines of a config alone: those of
docs/en/pipelines.md, with the real tools and tiny networks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.training import ROOT, TIMEOUT

CONFIG = 'toco_irn_shapes_pipeline.py'
SHORT = [
    f'all.{key}'
    for key in (
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        'param_scheduler.0.warmup_iters=1',
        'train_dataloader.batch_size=2',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
    )
]
SHORT += [f'{stage}.workers=0' for stage in ('cams', 'masks', 'mask_score')]


def documented() -> str:
    """The pipeline in the docs that has an affinity stage after ToCo."""
    text = (ROOT / 'docs' / 'en' / 'pipelines.md').read_text()
    [block] = [
        block
        for block in re.findall(r'```python\n(.*?)```', text, re.S)
        if 'irn_r18_shapes' in block
    ]
    return block


@pytest.fixture(scope='module')
def place(tmp_path_factory) -> Path:
    """A folder like the project's, with a few pictures of Shapes."""
    folder = tmp_path_factory.mktemp('any cam')
    for name in ('configs', 'demo'):
        (folder / name).symlink_to(ROOT / name)
    (folder / CONFIG).write_text(documented())
    tool(
        folder,
        'dataset_converters/shapes.py',
        '--out',
        'data/shapes',
        '--train',
        '6',
        '--val',
        '2',
        '--test',
        '2',
        '--jobs',
        '1',
    )
    return folder


def tool(folder: Path, name: str, *arguments: str) -> str:
    env = os.environ | dict(
        CUDA_VISIBLE_DEVICES='-1', OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT)
    )
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools' / name), *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=3 * TIMEOUT,
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-4000:]
    return text


def test_planned(place) -> None:
    text = tool(place, 'run_pipeline.py', CONFIG, '--dry-run')
    for line in (
        'affinity (train): runs',
        '--refine rw',
        '--cams {cams.cam}',
        'segmenter (train): runs',
        'test (test): runs',
    ):
        assert line in text
    assert not (place / 'work_dirs').exists()


@pytest.mark.slow
def test_toco_then_affinity_then_segmenter(place) -> None:
    log = tool(
        place, 'run_pipeline.py', CONFIG, '--work-dir', 'work', '--cfg-options', *SHORT
    )
    work, names = (
        place / 'work',
        {
            line.split()[0]
            for line in (place / 'data/shapes/splits/train.txt')
            .read_text()
            .splitlines()
        },
    )
    for stage, kind in (('02_cams', 'cam'), ('02_cams', 'mask'), ('04_masks', 'mask')):
        assert {p.stem for p in (work / stage / 'run' / kind).iterdir()} == names
    seeds, masks = (
        {
            p.name: np.asarray(Image.open(p))
            for p in (work / stage / 'run' / 'mask').iterdir()
        }
        for stage in ('02_cams', '04_masks')
    )
    assert all(mask.shape == (96, 96) and mask.max() <= 6 for mask in masks.values())
    assert any((seeds[name] != mask).any() for name, mask in masks.items())
    rows = {
        row['stage']: row for row in json.loads((work / 'summary.json').read_text())
    }
    assert rows['mask_score']['scores']['pseudo-mask mIoU'] is not None
    assert rows['test']['scores']['segmenter mIoU'] is not None
    again = tool(
        place, 'run_pipeline.py', CONFIG, '--work-dir', 'work', '--cfg-options', *SHORT
    )
    assert again.count('skipped: finished') == len(rows) and '| test | ' in log
    # other CAMs: the affinity network learns anew, ToCo doesn't
    shutil.rmtree(work / '02_cams' / 'run' / 'cam')
    plan = tool(
        place,
        'run_pipeline.py',
        CONFIG,
        '--work-dir',
        'work',
        '--dry-run',
        '--cfg-options',
        *SHORT,
        'cams.bkg_thr=[0.3,0.6]',
    )
    assert '1. toco (train): skipped' in plan
    assert '2. cams (generate): runs anew' in plan
    assert "affinity (train): runs: 'cams' has to run first" in plan
