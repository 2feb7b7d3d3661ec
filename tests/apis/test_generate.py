# Licensed under Apache-2.0.
"""Generated labels: right, resumed, refused; from every network and every way."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.cam import strided_size
from mmwsss.datasets.shapes.shapes_dataset import ShapesDataset
from mmwsss.datasets.transforms.load_rgb_image import LoadRGBImage
from mmwsss.datasets.transforms.pack_weak_inputs import PackWeakInputs
from mmwsss.io.data_errors import DataError, LabelError
from mmwsss.io.score_files import load_scores
from mmwsss.labelers.refiners.crf_refiner import DenseCRF
from mmwsss.labelers.seeds import affinity_seeds
from mmwsss.pipeline.generate.generate_cfg import GenerateCfg
from mmwsss.pipeline.generate.generate_labels import RunOptions, generate_labels
from mmwsss.pipeline.generate.network_maps import NetworkMaps
from mmwsss.pipeline.inference import init_model
from mmwsss.pipeline.lock import OUTPUT_LOCK, BusyError, folder_lock
from mmwsss.pipeline.refine.refine_cfg import RefineCfg
from mmwsss.pipeline.refine.refine_folder import refine_folder
from tests.helpers.generation import (
    CONFIGS,
    LABELS,
    SIZES,
    config_of,
    contents,
    draw_data,
    read_png,
    start_tool,
    weights_of,
)
from tests.helpers.methods import build

NAMES = tuple(f'im_{i:02d}' for i in range(len(SIZES)))
IDS = dict(stripes=1, dots=2, check=3, rings=4, zigzag=5, grid=6)


@pytest.fixture(scope='module')
def place(tmp_path_factory) -> Path:
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


def predicted(place: Path, method: str, **overrides):
    """The network's own predictions, image by image, without the tool."""
    model = init_model(config_of(method, place / 'data'), weights_of(method, place))
    for name, labels in zip(NAMES, LABELS, strict=True):
        item = dict(
            img_path=str(place / 'data' / 'JPEGImages' / f'{name}.jpg'),
            gt_labels=tuple(IDS[one] - 1 for one in labels),
            num_foreground=6,
        )
        packed = PackWeakInputs()(LoadRGBImage()(item))
        batch = model.data_preprocessor(
            dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']])
        )
        yield (
            name,
            packed['inputs'],
            model.predict(**batch, **dict(cam_filter='gt') | overrides)[0],
        )


# ------------------------------------------------------------------- what is written
def test_files_are_what_the_network_predicts(run, place) -> None:
    report, out = run(save=('cam', 'mask', 'prob'), bkg_thr=(0.4,))
    assert (report.images, report.skipped) == (5, 0)
    assert {p.parent.name for p in out.glob('*/*')} == {'cam', 'mask', 'prob'}
    outputs = ('class_maps', 'prob')
    for (name, _, sample), size, labels in zip(
        predicted(place, 'toco', outputs=outputs, map_strides=(1, 4)),
        SIZES,
        LABELS,
        strict=True,
    ):
        full, small = sample.class_maps[1], sample.class_maps[4]
        score, slot = full.maps.max(0)
        want = torch.where(score > 0.4, full.ids[slot], 0)
        mask = read_png(out / 'mask' / f'{name}.png')
        assert np.array_equal(mask, want.numpy()) and mask.dtype == np.uint8
        got = load_scores(out / 'cam' / f'{name}.npz', 'cam', None)
        assert got.size == size and got.scores.shape[1:] == strided_size(size, 4)
        assert got.ids.tolist() == sorted(IDS[one] for one in labels)
        np.testing.assert_allclose(got.scores, small.maps, atol=2.5e-4)
        prob = load_scores(out / 'prob' / f'{name}.npz', 'prob', size)
        assert 0 in prob.ids and np.abs(prob.scores.sum(0) - 1).max() < 0.02
        dense = sample.pred_prob.data
        assert torch.equal(dense.argmax(0), sample.pred_sem_seg.data[0])
    with Image.open(out / 'mask' / f'{NAMES[0]}.png') as picture:
        assert picture.mode == 'P' and picture.getpalette()[3:6] == [230, 85, 75]


def test_manifest(run) -> None:
    report, out = run(save=('cam', 'mask'), refine='none')
    manifest = json.loads((out / 'manifest.json').read_text())
    assert manifest['finished'] and manifest['images'] == 5
    assert manifest['classes'][:2] == ['background', 'stripes']
    assert manifest['settings']['bkg_thr'] == [0.5]  # of the evaluator
    assert manifest['settings']['stride'] == 4
    for kind, size in manifest['bytes_per_image'].items():
        files = [p.stat().st_size for p in (out / kind).iterdir()]
        assert size == report.bytes_per_image[kind] == round(sum(files) / 5)


def test_two_thresholds_leave_pixels_open(run) -> None:
    _, low = run(out='low', save=('mask',), bkg_thr=(0.3,))
    _, high = run(out='high', save=('mask',), bkg_thr=(0.6,))
    _, both = run(out='both', save=('mask',), bkg_thr=(0.3, 0.6))
    for name in NAMES:
        lenient, strict, got = (
            read_png(out / 'mask' / f'{name}.png') for out in (low, high, both)
        )
        want = np.where(strict > 0, strict, np.where(lenient > 0, 255, 0))
        assert np.array_equal(got, want) and 255 in got


def masks_of(out: Path) -> dict[str, np.ndarray]:
    return {path.stem: read_png(path) for path in (out / 'mask').iterdir()}


@pytest.mark.parametrize('refiner', [True, False])
def test_the_labeler_of_the_network_makes_the_masks(run, place, refiner) -> None:
    """Where nothing else is said: as training and prediction do, whatever it is."""
    rule = dict(type='ThresholdLabeler', bkg_thr=0.35)
    if refiner:
        rule['refiner'] = dict(type='PAR', num_iters=3)
    cfg = config_of('cam', place / 'data')
    cfg.model.labeler = rule
    found = {
        name: masks_of(run('cam', name, cfg=cfg, save=('mask',), **settings)[1])
        for name, settings in dict(
            default={},
            own=dict(refine='own'),
            other=dict(refine='own', bkg_thr=(0.6,)),
            threshold=dict(bkg_thr=(0.6,)),
            none=dict(refine='none'),  # of the evaluator
            half=dict(bkg_thr=(0.5,)),
        ).items()
    }
    model = init_model(cfg, weights_of('cam', place))
    for name, labels in zip(NAMES, LABELS, strict=True):
        item = dict(
            img_path=str(place / 'data' / 'JPEGImages' / f'{name}.jpg'),
            gt_labels=tuple(IDS[one] - 1 for one in labels),
            num_foreground=6,
        )
        packed = PackWeakInputs()(LoadRGBImage()(item))
        batch = {key: [value] for key, value in packed.items()}
        sample = model.predict(
            **model.data_preprocessor(batch), outputs=('pseudo',), cam_filter='gt'
        )[0]
        want = sample.pred_pseudo.data[0].numpy()
        assert np.array_equal(found['default'][name], want)
        assert np.array_equal(found['own'][name], want)
        assert np.array_equal(found['none'][name], found['half'][name])
        same = np.array_equal(found['other'][name], found['threshold'][name])
        assert same or refiner
    assert any((found['default'][n] != found['none'][n]).any() for n in NAMES)


def test_an_own_label_that_there_is_not(run, place) -> None:
    with pytest.raises(ValueError, match=r"no thresholds \['bkg_thr'\]"):
        run(refine='own', save=('mask',), bkg_thr=(0.5,))
    cfg = config_of('toco', place / 'data')
    cfg.model.labeler = None
    cfg.model.train_cfg['weights'] = dict(cls=1.0)
    with pytest.raises(ValueError, match="'own' needs a labeler, ToCo of this config"):
        run(cfg=cfg, refine='own', save=('mask',))
    for more in (dict(preset='irn'), dict(alpha=4.0), dict(source='seg')):
        with pytest.raises(ValueError, match='CRF|takes the place|background of its'):
            GenerateCfg(refine='own', **more)


@pytest.mark.parametrize('thresholds', [(), (0.4, 0.6)])
def test_par_is_the_own_label_of_the_network(run, place, thresholds) -> None:
    _, out = run(refine='par', save=('mask',), bkg_thr=thresholds)
    overrides = dict(zip(('low_thr', 'high_thr'), thresholds))
    for name, _, sample in predicted(place, 'toco', outputs=('pseudo',), **overrides):
        want = sample.pred_pseudo.data[0]
        assert np.array_equal(read_png(out / 'mask' / f'{name}.png'), want.numpy())


def test_par_without_a_refiner_filters_the_cam(run, place) -> None:
    cfg = config_of('toco', place / 'data')
    cfg.model.labeler = None
    cfg.model.train_cfg['weights'] = dict(cls=1.0)
    _, plain = run(out='plain', save=('mask',), bkg_thr=(0.5,))
    _, out = run(cfg=cfg, refine='par', save=('mask',), bkg_thr=(0.5,))
    assert contents(out).keys() == contents(plain).keys()
    assert contents(out) != contents(plain)


def test_seeds(run, place) -> None:
    """The published rule with the roles of the constants inverted, as published."""
    _, out = run(refine='seeds', save=('mask',), bkg_thr=(0.15, 0.5))
    crf = DenseCRF('irn', 'labels')
    for name, pixels, sample in predicted(place, 'toco', outputs=('class_maps',)):
        maps = sample.class_maps[1]
        slots = affinity_seeds(pixels[None].float(), maps.maps[None], crf, 0.5, 0.15)
        table = torch.cat([torch.tensor([0]), maps.ids, torch.full((255,), 255)])
        want = table[slots[0].clamp_max(len(maps.ids) + 1)]
        assert np.array_equal(read_png(out / 'mask' / f'{name}.png'), want.numpy())
    assert any(255 in read_png(path) for path in (out / 'mask').iterdir())
    assert run(out='inverted', refine='seeds', save=('mask',), bkg_thr=(0.5, 0.15))


def test_masks_of_the_decoder(run, place) -> None:
    _, out = run(source='seg', save=('mask',))
    for name, _, sample in predicted(place, 'toco', outputs=('seg',)):
        want = sample.pred_sem_seg.data[0].numpy()
        assert np.array_equal(read_png(out / 'mask' / f'{name}.png'), want)
    _, refined = run(out='crf', source='seg', refine='crf', save=('mask',))
    assert contents(refined).keys() == contents(out).keys()


@pytest.mark.parametrize('refine', ['crf', 'par'])
def test_workers_and_this_process_agree(run, refine) -> None:
    settings = dict(refine=refine, save=('mask', 'cam'), alpha=4.0)
    _, here = run(out='here', **settings)
    _, there = run(out='there', options=RunOptions(workers=2), **settings)
    assert contents(here) == contents(there) and len(contents(here)) == 10


def test_batches_of_one_size(run) -> None:
    _, single = run(out='single', bkg_thr=(0.5,))
    _, batched = run(out='batched', bkg_thr=(0.5,), options=RunOptions(batch_size=2))
    for name in NAMES:
        one, other = (
            load_scores(out / 'cam' / f'{name}.npz', 'cam', None)
            for out in (single, batched)
        )
        np.testing.assert_allclose(one.scores, other.scores, atol=6e-4)
        masks = [read_png(out / 'mask' / f'{name}.png') for out in (single, batched)]
        assert (masks[0] != masks[1]).mean() < 1e-3


@pytest.mark.parametrize('method', ['afa', 'fsr', 'cam'])
def test_every_network(run, method) -> None:
    report, out = run(method, refine='par', bkg_thr=(0.3, 0.6))
    assert len(contents(out)) == 10 and report.bytes_per_image['cam'] > 300


def test_types_and_strides(run) -> None:
    sizes = {}
    for stride, dtype in ((4, 'float16'), (4, 'uint8'), (1, 'float16')):
        report, out = run(
            out=f'{stride}{dtype}', save=('cam',), stride=stride, dtype=dtype
        )
        sizes[stride, dtype] = report.bytes_per_image['cam']
        with np.load(out / 'cam' / f'{NAMES[0]}.npz') as file:
            assert file['scores'].dtype == dtype
            assert file['scores'].shape[1:] == strided_size(SIZES[0], stride)
    assert sizes[4, 'uint8'] < sizes[4, 'float16'] < sizes[1, 'float16'] / 5


def test_fused_maps_are_at_full_size(run, place) -> None:
    """Beside CAMs on their own grid, and what self-training reads as they are."""
    report, out = run(save=('cam', 'fused'))
    assert report.bytes_per_image['fused'] > 4 * report.bytes_per_image['cam']
    for (name, _, sample), size in zip(
        predicted(place, 'toco', outputs=('class_maps',), map_strides=(1,)),
        SIZES,
        strict=True,
    ):
        kept = load_scores(out / 'fused' / f'{name}.npz', 'cam', None)
        assert kept.size == size == kept.scores.shape[1:]
        assert kept.ids.tolist() == sample.class_maps[1].ids.tolist()
        np.testing.assert_allclose(kept.scores, sample.class_maps[1].maps, atol=2.5e-4)
        cam = load_scores(out / 'cam' / f'{name}.npz', 'cam', None)
        assert cam.scores.shape[1:] == strided_size(size, 4)
    pipeline = [
        dict(type='LoadRGBImage'),
        dict(type='LoadSideInputs'),
        dict(type='PackWeakInputs'),
    ]
    declared = dict(fused=dict(dir=str(out / 'fused'), kind='maps'))
    dataset = ShapesDataset(
        data_root=str(place / 'data'), pipeline=pipeline, side_inputs=declared
    )
    for i, name in enumerate(NAMES):
        kept = load_scores(out / 'fused' / f'{name}.npz', 'cam', None)
        got = dataset[i]['data_samples'].fused.data
        assert np.array_equal(got, kept.scores)


def test_fused_maps_may_be_coarse(run) -> None:
    _, out = run(save=('fused',), stride=4)
    with np.load(out / 'fused' / f'{NAMES[0]}.npz') as file:
        assert file['scores'].shape[1:] == strided_size(SIZES[0], 4)
    with pytest.raises(ValueError, match='fused_stride: 4 → 1'):
        run(save=('fused',))


@pytest.mark.parametrize('num_classes', [None, 7])
def test_one_call_refines_as_two(run, place, num_classes) -> None:
    """Masks, then ``refine_folder``: as published (all labels) and compact."""
    settings = dict(bkg_thr=(0.35,), save=('mask',))
    _, one = run(
        out='one',
        refine='crf',
        preset='smaf_pseudo',
        unary='labels',
        num_classes=num_classes,
        **settings,
    )
    _, plain = run(out='plain', **settings)
    cfg = RefineCfg(preset='smaf_pseudo', kind='label', num_classes=num_classes)
    refine_folder(place / 'data' / 'JPEGImages', plain / 'mask', plain / 'crf', cfg)
    compared = moved = 0
    for name, labels in zip(NAMES, LABELS, strict=True):
        before = read_png(plain / 'mask' / f'{name}.png')
        after = read_png(one / 'mask' / f'{name}.png')
        # A file of labels doesn't tell of classes that have no pixel in it.
        if num_classes is not None or len(np.unique(before)) == len(labels) + 1:
            assert np.array_equal(after, read_png(plain / 'crf' / f'{name}.png')), name
            compared, moved = compared + 1, moved + (after != before).any()
    assert compared >= 4 and moved


def test_the_label_set_of_the_crf_matters(run) -> None:
    settings = dict(
        bkg_thr=(0.35,),
        save=('mask',),
        refine='crf',
        unary='labels',
        preset='smaf_pseudo',
    )
    _, compact = run(out='compact', **settings)
    _, full = run(out='full', num_classes=7, **settings)
    assert contents(compact) != contents(full)
    with pytest.raises(ValueError, match='num_classes: null → 7'):
        run(out='compact', num_classes=7, **settings)
    with pytest.raises(ValueError, match='num_classes=6 .* less than the 7'):
        run(out='less', num_classes=6, **settings)


# --------------------------------------------------------------------- what is refused
def test_a_finished_folder_is_left_alone(run) -> None:
    _, out = run(bkg_thr=(0.5,))
    before = contents(out)
    stamps = {p: p.stat().st_mtime_ns for p in out.glob('*/*')}
    gone = (out / 'mask' / f'{NAMES[1]}.png', out / 'cam' / f'{NAMES[3]}.npz')
    for path in gone:
        path.unlink()
    (out / 'mask' / f'{NAMES[0]}.png.77.tmp').write_bytes(b'half')
    report, _ = run(bkg_thr=(0.5,))
    assert report.skipped == 3 and contents(out) == before
    assert all(
        p.stat().st_mtime_ns == t
        for p, t in stamps.items()
        if p.stem not in (NAMES[1], NAMES[3])
    )


def test_files_that_were_cut_off_are_made_again(run) -> None:
    _, out = run(bkg_thr=(0.5,))
    before = contents(out)
    first, second = (out / 'cam' / f'{name}.npz' for name in NAMES[:2])
    first.write_bytes(first.read_bytes()[:-1])
    second.write_bytes(b'')
    mask = out / 'mask' / f'{NAMES[3]}.png'
    mask.write_bytes(mask.read_bytes()[:40])
    report, _ = run(bkg_thr=(0.5,))
    assert report.skipped == len(NAMES) - 3 and contents(out) == before


def test_an_image_that_does_not_go_through_is_named(run, tmp_path) -> None:
    root = draw_data(tmp_path / 'data', 1)
    Image.new('RGB', (30, 1)).save(root / 'JPEGImages' / 'im_00.jpg')
    with pytest.raises(ValueError, match=r'im_00\.jpg: .*smaller than one 8x8 patch'):
        run(cfg=config_of('toco', root), bkg_thr=(0.5,))


def test_other_settings_are_refused(run) -> None:
    _, out = run(bkg_thr=(0.5,))
    before = contents(out)
    with pytest.raises(ValueError, match=r'bkg_thr: \[0.5\] → \[0.4\].*--overwrite'):
        run(bkg_thr=(0.4,))
    with pytest.raises(ValueError, match=r'weights: "\w+" → "\w+"'):
        run(bkg_thr=(0.5,), seed=1)
    assert contents(out) == before
    report, _ = run(bkg_thr=(0.4,), options=RunOptions(overwrite=True))
    assert report.skipped == 0 and contents(out) != before


def test_files_of_unknown_origin_are_refused(run) -> None:
    """Without a manifest nobody knows what they were made with."""
    _, out = run(bkg_thr=(0.5,))
    (out / 'manifest.json').unlink()
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r'no manifest\.json.*\.npz\).*delete'):
            run(bkg_thr=(0.4,), options=RunOptions(overwrite=overwrite))


def test_a_kill_while_overwriting_mixes_nothing(run, monkeypatch) -> None:
    """Whatever is left then is still known to be of the old settings."""
    _, out = run(bkg_thr=(0.5,))
    deleted = []

    def killed(folder: Path, **_: object) -> None:
        if deleted:
            raise KeyboardInterrupt
        deleted.append(folder)

    monkeypatch.setattr(
        'mmwsss.pipeline.generate.generate_labels.shutil.rmtree', killed
    )
    with pytest.raises(KeyboardInterrupt):
        run(bkg_thr=(0.4,), options=RunOptions(overwrite=True))
    monkeypatch.undo()
    assert (out / 'manifest.json').is_file() and any((out / 'mask').iterdir())
    with pytest.raises(ValueError, match=r'bkg_thr: \[0.5\] → \[0.4\]'):
        run(bkg_thr=(0.4,))
    report, _ = run(bkg_thr=(0.4,), options=RunOptions(overwrite=True))
    assert report.skipped == 0


def test_other_image_labels_are_refused(run, tmp_path) -> None:
    """They choose the classes; where the network does, they don't matter."""
    root = draw_data(tmp_path / 'data', 2)
    cfg, chosen = config_of('toco', root), dict(cam_filter='pred', out='pred')
    run(cfg=cfg, bkg_thr=(0.5,))
    run(cfg=cfg, bkg_thr=(0.5,), **chosen)
    lists = root / 'splits' / 'train.txt'
    lists.write_text(lists.read_text().replace('dots', 'rings'))
    with pytest.raises(ValueError, match='labels: .* → .*--overwrite'):
        run(cfg=cfg, bkg_thr=(0.5,))
    report, _ = run(cfg=cfg, bkg_thr=(0.5,), **chosen)
    assert report.skipped == 2


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


def test_split_by_name(run, place) -> None:
    names = (place / 'data' / 'splits' / 'train.txt').read_text().splitlines()[:2]
    (place / 'data' / 'splits' / 'few.txt').write_text('\n'.join(names) + '\n')
    report, out = run(split='few', save=('mask',))
    assert report.images == 2
    assert {p.stem for p in (out / 'mask').iterdir()} == set(NAMES[:2])


def test_two_writers_in_one_folder(run) -> None:
    """``--overwrite`` into a folder that another run fills would mix the settings."""
    _, out = run(bkg_thr=(0.5,))
    before = contents(out)
    with (
        folder_lock(out, '--out', OUTPUT_LOCK),
        pytest.raises(BusyError, match=f'process {os.getpid()} .*another --out'),
    ):
        run(options=RunOptions(overwrite=True), bkg_thr=(0.2,))
    assert contents(out) == before


# ------------------------------------------------------------------------ processes
def finish(process, message: str = '') -> str:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == (1 if message else 0), output
    assert message in output
    return output


@pytest.mark.slow
def test_two_processes_write_what_one_writes(place, tmp_path) -> None:
    checkpoint = weights_of('toco', place)
    for count in (1, 2):
        output = finish(
            start_tool(
                place / 'data',
                checkpoint,
                tmp_path / str(count),
                '--refine',
                'none',
                '--save',
                'cam,mask,prob',
                '--batch-size',
                '2',
                processes=count,
            )
        )
        assert 'GROUND-TRUTH image labels' in output and '5 images in' in output
    assert contents(tmp_path / '1') == contents(tmp_path / '2')
    assert len(contents(tmp_path / '1')) == 15
    refused = start_tool(
        place / 'data', checkpoint, tmp_path / '1', '--bkg-thr', '0.1', processes=2
    )
    output, _ = refused.communicate(timeout=600)
    assert refused.returncode and 'bkg_thr: [0.5] → [0.1]' in output


@pytest.mark.slow
def test_killed_and_finished_equals_uninterrupted(place, tmp_path) -> None:
    data, count = draw_data(tmp_path / 'data', 40), 40
    checkpoint, arguments = weights_of('toco', place), ('--refine', 'par')
    killed = start_tool(data, checkpoint, tmp_path / 'killed', *arguments)
    masks = tmp_path / 'killed' / 'mask'
    end = time.time() + 300
    while len(list(masks.glob('*.png'))) < 3 and time.time() < end:
        assert killed.poll() is None, killed.communicate()[0]
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    done = len(list(masks.glob('*.png')))
    assert 3 <= done < count
    assert not json.loads((tmp_path / 'killed' / 'manifest.json').read_text())[
        'finished'
    ]
    output = finish(start_tool(data, checkpoint, tmp_path / 'killed', *arguments))
    assert f'{done} of {count} images are done' in output
    finish(start_tool(data, checkpoint, tmp_path / 'whole', *arguments))
    assert contents(tmp_path / 'killed') == contents(tmp_path / 'whole')


# --------------------------------------------------------------------------- labelers
def test_a_labeler_is_what_the_short_options_mean(run, place) -> None:
    """Given in full, or as an entry of the network's config."""
    crf = dict(type='DenseCRF', preset='irn', unary='labels')
    rule = dict(type='ThresholdLabeler', bkg_thr=0.35, refiner=crf)
    short = dict(refine='crf', preset='irn', unary='labels', bkg_thr=(0.35,))
    _, want = run(out='short', save=('mask',), **short)
    _, full = run(out='full', save=('mask',), labeler=rule)
    cfg = config_of('toco', place / 'data')
    cfg.labeler = rule
    _, said = run(out='said', save=('mask',), cfg=cfg)
    assert contents(want) == contents(full) == contents(said)
    manifest = json.loads((full / 'manifest.json').read_text())
    assert manifest['settings']['labeler']['bkg_thr'] == 0.35
    with pytest.raises(ValueError, match='segments.*side_inputs=dict'):
        run(
            out='vote',
            save=('mask',),
            labeler=dict(type='SegmentVote', bkg_thr=0.3),
        )
    with pytest.raises(ValueError, match='leave one of both out'):
        GenerateCfg(labeler=rule, bkg_thr=(0.3,))
