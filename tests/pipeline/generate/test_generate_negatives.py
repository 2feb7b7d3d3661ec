# Licensed under Apache-2.0.
"""Pictures without objects get masks of background; unlabelled ones are no such."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmwsss.io.data_errors import LabelError
from mmwsss.io.known_labels import labels_known, refuse_unlabelled
from mmwsss.io.score_files import load_scores
from mmwsss.pipeline.evaluate.evaluate_maps import EvalCfg, EvalTask, score_cam
from mmwsss.pipeline.generate.generate_cfg import GenerateCfg
from mmwsss.pipeline.generate.generate_labels import generate_labels
from mmwsss.pipeline.generate.walked_maps import Affinity
from mmwsss.pipeline.refine.refine_cfg import RefineCfg
from mmwsss.pipeline.refine.refine_folder import refine_folder
from tests.helpers.generation import config_of, draw_data, read_png, weights_of

EMPTY, OTHER = 'im_01', 'im_00'
WAYS = dict(
    own=dict(refine='own'),
    threshold=dict(refine='none', bkg_thr=(0.3,)),
    par=dict(refine='par', bkg_thr=(0.25, 0.7)),
    crf=dict(refine='crf', bkg_thr=(0.3,)),
    crf_labels=dict(refine='crf', bkg_thr=(0.3,), unary='labels'),
    seeds=dict(refine='seeds', bkg_thr=(0.2, 0.3)),
    walk=dict(refine='rw', bkg_thr=(0.3,)),
    walk_crf=dict(refine='rw', bkg_thr=(0.3,), preset='irn'),
)


@pytest.fixture(scope='module')
def place(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('negatives')
    labels = draw_data(root / 'data', 2) / 'splits' / 'train.txt'
    lines = labels.read_text().splitlines()
    labels.write_text(f'{lines[0]}\n{EMPTY}\n')
    return root


def generate(place: Path, out: Path, negatives: bool = True, **settings):
    cfg = config_of('toco', place / 'data')
    cfg.train_dataloader.dataset.allow_unlabelled = negatives
    walk = settings.get('refine') == 'rw'
    affinity = Affinity(config_of('irn', place / 'data'), weights_of('irn', place))
    settings = GenerateCfg(**dict(save=('cam', 'mask')) | settings)
    return generate_labels(
        cfg, weights_of('toco', place), out, settings, None, affinity if walk else None
    )


@pytest.mark.parametrize('way', WAYS)
def test_a_picture_without_objects(place, tmp_path, way) -> None:
    generate(place, tmp_path, **WAYS[way])
    mask = read_png(tmp_path / 'mask' / f'{EMPTY}.png')
    assert mask.shape == (64, 80) and set(np.unique(mask)) == {0}
    maps = load_scores(tmp_path / 'cam' / f'{EMPTY}.npz', 'cam', (64, 80))
    assert maps.scores.shape == (0, 64, 80)
    assert len(load_scores(tmp_path / 'cam' / f'{OTHER}.npz', 'cam', None).ids) == 1


def test_such_maps_are_scored_and_refined(place, tmp_path) -> None:
    generate(place, tmp_path / 'g', refine='none', bkg_thr=(0.3,))
    cam, mask = tmp_path / 'g' / 'cam', tmp_path / 'g' / 'mask'
    truth = dict(img_path='', seg_map_path=str(mask / f'{EMPTY}.png'), num_foreground=6)
    truth |= dict(label_map=None, reduce_zero_label=False, seg_fields=[])
    task = EvalTask(str(cam / f'{EMPTY}.npz'), truth)
    areas = score_cam(EvalCfg(7), task)['raw'].dense().areas(50)
    assert areas.correct[0] == 64 * 80 and areas.predicted[1:].sum() == 0
    photos = place / 'data' / 'JPEGImages'
    for kind, maps in (('cam', cam), ('label', mask)):
        cfg = RefineCfg('crf', kind=kind, bkg_thr=(0.3,) if kind == 'cam' else ())
        report = refine_folder(photos, maps, tmp_path / kind, cfg, names=[EMPTY])
        assert not report.failed
        assert set(np.unique(read_png(tmp_path / kind / f'{EMPTY}.png'))) == {0}


def test_unlabelled_pictures_are_refused_before_work(place, tmp_path) -> None:
    with pytest.raises(LabelError, match='im_01.*--cam-filter pred'):
        generate(place, tmp_path, negatives=False, refine='own')
    assert not list(tmp_path.rglob('*.png'))


def test_known_and_unknown() -> None:
    assert labels_known(dict(gt_labels=(1,)))
    assert not labels_known(dict(gt_labels=()))
    assert labels_known(dict(gt_labels=()), trained_on=True)
    assert labels_known(dict(gt_labels=(), labels_known=True))
    assert not labels_known(dict(gt_labels=(), labels_known=False), trained_on=True)


def test_the_first_unlabelled_picture_is_named() -> None:
    class Pictures(list):
        ann_file = 'labels.csv'
        get_data_info = list.__getitem__

    infos = Pictures(dict(img_id=i, gt_labels=(1,) * (i == 'a')) for i in 'abc')
    with pytest.raises(LabelError, match=r'labels\.csv has no labels for 2 of 3.*b\)'):
        refuse_unlabelled(infos, 'or else')
