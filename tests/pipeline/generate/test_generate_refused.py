# Licensed under Apache-2.0.
"""Settings, networks and images that labels cannot be generated from."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from mmwsss.io.data_errors import LabelError
from mmwsss.io.output_folder import OutputError
from mmwsss.io.weights import CheckpointMismatch
from mmwsss.pipeline.generate.generate_cfg import GenerateCfg
from mmwsss.pipeline.generate.generate_labels import generate_labels
from mmwsss.pipeline.generate.network_maps import NetworkMaps
from mmwsss.pipeline.manifest import read_manifest
from mmwsss.pipeline.refine.refine_cfg import RefineCfg
from tests.helpers.generation import (
    CLASSES,
    CONFIGS,
    config_of,
    contents,
    draw_data,
    read_png,
)
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
        (dict(refine='crf', bkg_thr=(0.6, 0.3)), 'low_thr <= high_thr'),
        (dict(refine='par', bkg_thr=(0.6, 0.3)), 'low_thr <= high_thr'),
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


@pytest.mark.parametrize('constants', [(0.15, 0.11), (0.05, 0.30)])
def test_seeds_have_an_order_of_their_own(constants) -> None:
    """The background's constant first, whichever is larger (SemFormer, IRNet)."""
    labeler = GenerateCfg(refine='seeds', bkg_thr=constants).built_labeler
    assert (labeler.bg_thr, labeler.fg_thr) == constants


@pytest.mark.parametrize('refine', ['crf', 'par'])
def test_maps_on_disk_have_the_same_order(refine: str) -> None:
    with pytest.raises(ValueError, match='low_thr <= high_thr'):
        RefineCfg(refine, kind='cam', bkg_thr=(0.6, 0.3))


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


@pytest.mark.parametrize('method', ['toco', 'afa', 'fsr', 'cam'])
def test_a_picture_below_a_patch_goes_through(run, tmp_path, method) -> None:
    root = draw_data(tmp_path / 'data', 1)
    Image.new('RGB', (30, 1)).save(root / 'JPEGImages' / 'im_00.jpg')
    _, out = run(method, cfg=config_of(method, root), refine='none', bkg_thr=(0.5,))
    assert read_png(out / 'mask' / 'im_00.png').shape == (1, 30)


def test_a_broken_image_is_named_and_the_rest_goes_on(run, tmp_path) -> None:
    root = draw_data(tmp_path / 'data', 3)
    photo = root / 'JPEGImages' / 'im_01.jpg'
    whole = photo.read_bytes()
    photo.write_bytes(whole[:200])
    cfg = config_of('toco', root)
    report, out = run(cfg=cfg, bkg_thr=(0.5,))
    assert 'im_01.jpg cannot be read as an image' in report.failed['im_01']
    assert len(report.failed) == 1 and len(contents(out)) == 4
    assert read_manifest(out)['unreadable'] == ['im_01']
    photo.write_bytes(whole)
    report, out = run(cfg=cfg, bkg_thr=(0.5,))
    assert report.skipped == 2 and len(contents(out)) == 6 and not report.failed
    assert read_manifest(out)['unreadable'] == []


def test_classes_in_another_order_are_refused(place, run, tmp_path) -> None:
    """A channel would be taken for another class."""
    classes = ['background', *reversed(CLASSES)]
    state = dict(state_dict=build(CONFIGS['toco']).state_dict())
    state['meta'] = dict(dataset_meta=dict(classes=classes))
    torch.save(state, tmp_path / 'other.pth')
    with pytest.raises(CheckpointMismatch, match='in that order'):
        generate_labels(
            config_of('toco', place / 'data'),
            str(tmp_path / 'other.pth'),
            tmp_path / 'out',
            GenerateCfg(bkg_thr=(0.5,), refine='none'),
        )


def test_two_pictures_of_one_name_are_both_named(run, tmp_path) -> None:
    root = draw_data(tmp_path / 'data', 1)
    picture = Image.open(root / 'JPEGImages' / 'im_00.jpg')
    picture.save(root / 'JPEGImages' / 'im_00.png')
    (root / 'splits' / 'train.txt').write_text('im_00.jpg dots\nim_00.png grid\n')
    with pytest.raises(
        LabelError, match=r'would share one output, .im_00\.jpg.* and .im_00\.png'
    ):
        run(cfg=config_of('toco', root), refine='none', bkg_thr=(0.5,))


def test_outputs_over_the_pictures_are_refused(run, tmp_path) -> None:
    root = draw_data(tmp_path / 'data', 1)
    with pytest.raises(OutputError, match='which is read'):
        run(cfg=config_of('toco', root), out='data', refine='none', bkg_thr=(0.5,))
