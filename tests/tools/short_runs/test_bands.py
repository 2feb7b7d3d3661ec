# Licensed under Apache-2.0.
"""Tiles of five bands and 16 bits: trained, tested, masks generated and placed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.testing import run_tool as run
from mmwsss.testing import train
from tests.helpers import ROOT
from tests.helpers.short_runs import TOCO
from tests.helpers.tiles import BANDS, TOP, draw_tiles

CONFIG = """
_base_ = [{base!r}]
picture = dict(value_range=(0, {top}), bands={bands}, show_bands=(3, 1, 0))
colours = dict(jitter=(0.4, 0.4, 0, 0), grey_prob=0)
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='ToCoViews', crop_size=48, view1=colours, view2=colours, local=colours),
    dict(type='PackWeakInputs')]
tiles = dict(type='FolderWeakDataset', data_root={data!r}, ann_file='labels.csv',
             picture=picture, _delete_=True)
test = dict(tiles, test_mode=True, pipeline=[
    dict(type='LoadPicture'), dict(type='LoadMask'), dict(type='PackWeakInputs')])
train_dataloader = dict(batch_size=2, num_workers=1,
                        dataset=dict(tiles, pipeline=train_pipeline))
val_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                      dataset=test)
test_dataloader = val_dataloader
model = dict(
    num_classes=3,
    data_preprocessor=dict(mean=[60.0] * 5, std=[50.0] * 5),
    backbone=dict(in_channels=5, img_size=48),
    train_cfg=dict(weights=dict(_delete_=True, cls=1.0, cls_aux=1.0, ptc=0.2, ctc=0.5,
                                seg=0.3, reg=0.05),
                   local_crops=dict(crop_num=2, crop_size=16)))
train_cfg = dict(max_iters=2, val_interval=2)
param_scheduler = [dict(type='PolyWarmupLR', warmup_iters=1, warmup_ratio=1e-6,
                        power=0.9, by_epoch=False)]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=2))
"""


@pytest.fixture(scope='module')
def tiles(tmp_path_factory) -> Path:
    return draw_tiles(tmp_path_factory.mktemp('tiles') / 'data')


@pytest.fixture(scope='module')
def trained(tiles, tmp_path_factory) -> tuple[Path, Path]:
    """The config, and the work dir of two iterations."""
    folder = tmp_path_factory.mktemp('five')
    config = folder / 'five.py'
    config.write_text(
        CONFIG.format(
            base=str(ROOT / TOCO), top=TOP, bands=tuple(range(BANDS)), data=str(tiles)
        )
    )
    done = train(config, folder / 'run')
    log = done.stdout + done.stderr
    assert "weights of RGB become weights of 5 bands, by the rule 'mean'" in log
    assert 'loss_reg' in log and not re.search(r'\bnan\b', log.lower())
    return config, folder / 'run'


def test_test_and_generate(trained, tiles, tmp_path) -> None:
    config, folder = trained
    weights = folder / 'iter_2.pth'
    run('tools/test.py', config, weights, '--work-dir', tmp_path / 'test',
        '--show-dir', tmp_path / 'shown', '--post-processor', 'crf')  # fmt: skip
    found = json.loads((tmp_path / 'test' / 'metrics.json').read_text())
    assert all(np.isfinite(v) for v in found.values() if isinstance(v, float))
    assert len(list((tmp_path / 'shown').glob('*.png'))) == 6
    for refine in ('crf', 'own'):  # the second is PAR's
        out = tmp_path / refine
        more = () if refine == 'own' else ('--bkg-thr', '0.4')
        run('tools/generate_pseudo_labels.py', config, weights, '--out', out,
            '--refine', refine, *more)  # fmt: skip
        masks = sorted((out / 'mask').iterdir())
        assert [mask.stem for mask in masks] == [f't{i}' for i in range(6)]
        ids = np.unique([np.asarray(Image.open(mask)) for mask in masks])
        assert set(ids.tolist()) <= {0, 1, 2, 255}


def test_demo_reads_as_the_data_set_and_keeps_the_place(
    trained, tiles, tmp_path
) -> None:
    tifffile = pytest.importorskip('tifffile')
    config, folder = trained
    run('demo/image_demo.py', tiles / 'images' / 't2.tif', config,
        folder / 'iter_2.pth', '--out-dir', tmp_path, '--geotiff')  # fmt: skip
    with tifffile.TiffFile(tmp_path / 't2.tif') as file:
        assert file.pages[0].tags[33922].value[3:5] == (5e5, 4e6)
        mask = file.pages[0].asarray()
    np.testing.assert_array_equal(mask, np.asarray(Image.open(tmp_path / 't2.png')))
    assert (tmp_path / 'panels' / 't2.png').is_file()
