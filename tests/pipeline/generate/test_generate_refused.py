# Licensed under Apache-2.0.
"""Settings, networks and images that labels cannot be generated from."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from mmwsss.io.data_errors import DataError, LabelError
from mmwsss.pipeline.generate.generate_cfg import GenerateCfg
from mmwsss.pipeline.generate.network_maps import NetworkMaps
from tests.helpers.generation import CONFIGS, config_of, contents, draw_data
from tests.helpers.methods import build


@pytest.mark.parametrize(
    'settings,message',
    [
        (dict(refine='grabcut'), "refine must be one of.*'grabcut'"),
        (dict(save=('masks',)), r"save must name some of .*\('masks',\)"),
        (dict(save=()), 'save must name some'),
        (dict(stride=0), 'stride must be 1 pixel or more, got 0'),
        (dict(dtype='float64'), "dtype must be one of .*'float64'"),
        (dict(cam_filter='none '), 'cam_filter must be one of'),
        (dict(refine='seeds', bkg_thr=(0.1,)), r'two constants bkg_thr.*got \(0.1,\)'),
        (dict(refine='crf', bkg_thr=(0.1,), preset='mine'), "preset must be .*'mine'"),
        (dict(preset='irn'), 'settings of the CRF'),
        (dict(alpha=4.0, bkg_thr=(0.5,)), 'alpha=4.0 takes the place of bkg_thr'),
        (dict(bkg_thr=(0.6, 0.3)), 'low_thr <= high_thr'),
        (dict(source='seg', bkg_thr=(0.5,)), 'background of its own'),
        (dict(refine='seeds', bkg_thr=(0.1, 0.2), unary='prob'), 'hard labels'),
        (dict(save=('fused',), cam_filter='pred'), "cam_filter='gt', got 'pred'"),
        (dict(save=('fused', 'mask'), refine='rw'), "for walked ones save 'cam'"),
        (
            dict(save=('fused',), refine='crf'),
            "refine='crf' is of masks.*save 'mask' too",
        ),
        (dict(refine='crf', bkg_thr=(0.2,), num_classes=21), 'CRF on hard ones'),
        (dict(refine='seeds', bkg_thr=(0.2, 0.1), num_classes=21), 'CRF on hard ones'),
        (dict(refine='rw', bkg_thr=(0.2,), num_classes=21), 'rw. with a preset'),
    ],
)
def test_bad_settings(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        GenerateCfg(**settings)


def test_what_the_network_lacks(run, place) -> None:
    model = build(CONFIGS['cam'])
    model.decode_head = None
    for settings in (GenerateCfg(save=('prob',)), GenerateCfg(source='seg')):
        with pytest.raises(ValueError, match='no decode_head'):
            NetworkMaps(model, settings)
    with pytest.raises(ValueError, match='Identity is none'):
        NetworkMaps(torch.nn.Identity(), GenerateCfg())
    with pytest.raises(ValueError, match='needs two thresholds'):
        run(refine='par', bkg_thr=(0.5,))
    with pytest.raises(ValueError, match="refine='rw' needs"):
        run(refine='rw', bkg_thr=(0.5,))
    cfg = config_of('toco', place / 'data')
    cfg.test_evaluator = dict(type='IoUMetric')
    with pytest.raises(ValueError, match='need a background: give bkg_thr'):
        run(cfg=cfg, refine='none')
    cfg.train_dataloader = None
    with pytest.raises(ValueError, match=r"data loaders \['test', 'train'\]"):
        run(cfg=cfg, bkg_thr=(0.5,))


def test_images_without_labels(run, tmp_path, place) -> None:
    root = draw_data(tmp_path / 'data', 2)
    (root / 'splits' / 'train.txt').write_text('im_00\nim_01\n')
    cfg = config_of('toco', root)
    with pytest.raises(LabelError, match='--cam-filter pred'):
        run(cfg=cfg)
    report, out = run(cfg=cfg, cam_filter='pred', bkg_thr=(0.5,))
    assert report.images == 2 and len(contents(out)) == 4
    with pytest.raises(LabelError, match=r'tarin\.txt is missing.*and --split'):
        run(cfg=cfg, split='tarin')


def test_an_image_that_does_not_go_through_is_named(run, tmp_path) -> None:
    root = draw_data(tmp_path / 'data', 1)
    Image.new('RGB', (30, 1)).save(root / 'JPEGImages' / 'im_00.jpg')
    with pytest.raises(ValueError, match=r'im_00\.jpg: .*smaller than one 8x8 patch'):
        run(cfg=config_of('toco', root), bkg_thr=(0.5,))


def test_a_broken_image_is_named_and_the_rest_goes_on(run, tmp_path) -> None:
    root = draw_data(tmp_path / 'data', 3)
    photo = root / 'JPEGImages' / 'im_01.jpg'
    whole = photo.read_bytes()
    photo.write_bytes(whole[:200])
    cfg = config_of('toco', root)
    with pytest.raises(DataError, match=r'im_01\.jpg cannot be read as an image'):
        run(cfg=cfg, bkg_thr=(0.5,))
    photo.write_bytes(whole)
    report, out = run(cfg=cfg, bkg_thr=(0.5,))
    assert report.skipped == 1 and len(contents(out)) == 6
