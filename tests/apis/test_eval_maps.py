# Licensed under Apache-2.0.
"""Scores of CAM folders and mask folders against plain loops; what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.cam import IGNORE
from mmwsss.evaluation.areas import ClassAreas, areas_from_labels
from mmwsss.evaluation.boundary import boundary_scores
from mmwsss.evaluation.erosion import erode_labels
from mmwsss.evaluation.scores import scores_from_areas
from mmwsss.io.data_errors import DataError, MaskError
from mmwsss.io.label_png import save_label_png
from mmwsss.io.score_files import load_scores, save_scores
from mmwsss.labelers.refiners.crf_refiner import DenseCRF
from mmwsss.pipeline.evaluate.eval_tasks import (
    classes_of,
    eval_tasks,
    folder_infos,
    maps_in,
    names_in,
)
from mmwsss.pipeline.evaluate.evaluate_maps import (
    EvalCfg,
    evaluate_maps,
    parse_thresholds,
)
from mmwsss.pipeline.evaluate.score_report import metrics_of, tables_of
from mmwsss.pipeline.manifest import write_manifest
from tests.helpers.methods import pictures
from tests.helpers.published_labels import refine_stacks, with_background

NUM_CLASSES = 5
SIZES = ((30, 41), (36, 28), (30, 41))
KEYS = ((2,), (1, 4), (1, 2, 3))
THRESHOLDS = (0.1, 0.3, 0.45, 0.7)
NAMES = ('a', 'b', 'c')


def smooth(count: int, size: tuple[int, int], seed: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, count, 4, 5, generator=generator)
    return torch.nn.functional.interpolate(coarse, size, mode='bilinear')[0].numpy()


@pytest.fixture
def folder(tmp_path) -> Path:
    """cam/ (stride 2), mask/, truth/, images/."""
    for i, (name, size, keys) in enumerate(zip(NAMES, SIZES, KEYS, strict=True)):
        grid = tuple((side - 1) // 2 + 1 for side in size)
        save_scores(
            tmp_path / 'cam' / f'{name}.npz', smooth(len(keys), grid, i), keys, size
        )
        truth = smooth(NUM_CLASSES, size, 10 + i).argmax(0)
        truth[:3] = IGNORE
        save_label_png(truth, tmp_path / 'truth' / f'{name}.png')
        mask = smooth(NUM_CLASSES, size, 20 + i).argmax(0)
        mask[:, :4] = IGNORE
        save_label_png(mask, tmp_path / 'mask' / f'{name}.png')
        image = pictures(1, size, seed=i)[0].permute(1, 2, 0).numpy()
        (tmp_path / 'images').mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / 'images' / f'{name}.jpg')
    return tmp_path


def tasks_of(folder: Path, kind: str = 'cam', names=NAMES):
    infos = folder_infos(folder / 'truth', names, NUM_CLASSES, folder / 'images')
    return eval_tasks(folder / kind, kind, infos)


def read(path: Path) -> torch.Tensor:
    with Image.open(path) as picture:
        return torch.from_numpy(np.asarray(picture).astype(np.int64))


def by_hand(folder: Path, label_of) -> ClassAreas:
    """Totals of ``label_of(name, size)`` over the images."""
    total = ClassAreas.zeros(NUM_CLASSES)
    for name, size in zip(NAMES, SIZES, strict=True):
        truth = read(folder / 'truth' / f'{name}.png')
        total += areas_from_labels(
            truth.masked_fill(truth == IGNORE, -1), label_of(name, size), NUM_CLASSES
        )
    return total


def cam_label(folder: Path, threshold: float, erode: bool):
    def label(name: str, size: tuple[int, int]) -> torch.Tensor:
        maps = load_scores(folder / 'cam' / f'{name}.npz', 'cam', size)
        stack = np.concatenate(
            [np.full((1, *size), threshold, np.float32), maps.scores]
        )
        found = torch.from_numpy(np.concatenate([[0], maps.ids])[stack.argmax(0)])
        return erode_labels(found) if erode else found

    return label


@pytest.mark.parametrize('workers', [0, 2])
def test_sweep_equals_a_loop(folder, workers) -> None:
    cfg = EvalCfg(NUM_CLASSES, thresholds=THRESHOLDS, erode=True)
    result = evaluate_maps(tasks_of(folder), cfg, workers)
    assert result.images == 3 and set(result.rows) == {'raw', 'eroded'}
    means = {}
    for scoring, rows in result.rows.items():
        for threshold, row in zip(THRESHOLDS, rows, strict=True):
            want = scores_from_areas(
                by_hand(folder, cam_label(folder, threshold, scoring == 'eroded'))
            )
            np.testing.assert_array_equal(row.iou, want.iou)
            np.testing.assert_array_equal(row.fp, want.fp)
            means.setdefault(scoring, []).append(want.mean('iou', 'fixed'))
        assert result.best(scoring) == int(np.argmax(means[scoring]))
    assert means['raw'] != means['eroded']


def test_masks(folder) -> None:
    result = evaluate_maps(tasks_of(folder, 'mask'), EvalCfg(NUM_CLASSES, 'mask'))
    want = scores_from_areas(
        by_hand(folder, lambda name, size: read(folder / 'mask' / f'{name}.png'))
    )
    (row,) = result.rows['raw']
    np.testing.assert_array_equal(row.iou, want.iou)
    metrics = metrics_of(result, 'uvwxy')
    assert metrics['labelled'] == round(100 * want.labelled, 4) < 100
    assert metrics['mIoU'] == round(100 * want.miou, 4)
    assert 'threshold' not in metrics and metrics['images'] == 3


def test_contours_of_masks(folder) -> None:
    """The mean over the images, beside the other figures."""
    cfg = EvalCfg(NUM_CLASSES, 'mask', boundary=True)
    result = evaluate_maps(tasks_of(folder, 'mask'), cfg, 2)
    each = []
    for task in tasks_of(folder, 'mask'):
        truth, mask = read(task.truth['seg_map_path']), read(task.maps)
        each.append(boundary_scores(truth.numpy(), mask.numpy(), NUM_CLASSES).mean)
    metrics = metrics_of(result, 'uvwxy')
    assert metrics['BF'] == round(100 * float(np.mean(each)), 4)
    assert metrics['mIoU'] and ' BF |' in tables_of(result, 'uvwxy')
    with pytest.raises(ValueError, match='contours are scored of masks'):
        EvalCfg(NUM_CLASSES, boundary=True)


@pytest.mark.parametrize('count', [None, NUM_CLASSES])
def test_crf_at_each_threshold(folder, count) -> None:
    cfg = EvalCfg(NUM_CLASSES, thresholds=(0.3, 0.6), crf='irn', all_labels=bool(count))
    result = evaluate_maps(tasks_of(folder), cfg)
    refine = DenseCRF('irn', 'labels', num_labels=count)

    def label(threshold: float, name: str, size: tuple[int, int]) -> torch.Tensor:
        maps = load_scores(folder / 'cam' / f'{name}.npz', 'cam', size)
        with Image.open(folder / 'images' / f'{name}.jpg') as photo:
            pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float()
        stack = with_background(torch.from_numpy(maps.scores)[None], (threshold,))
        ids = torch.from_numpy(np.concatenate([[0], maps.ids]))
        return ids[refine_stacks(pixels, stack, refine)[0]]

    for threshold, row in zip((0.3, 0.6), result.rows['raw'], strict=True):
        areas = by_hand(folder, lambda *args, t=threshold: label(t, *args))
        np.testing.assert_array_equal(row.iou, scores_from_areas(areas).iou)


def test_report(folder) -> None:
    cfg = EvalCfg(NUM_CLASSES, thresholds=THRESHOLDS, erode=True)
    result = evaluate_maps(tasks_of(folder), cfg)
    metrics = metrics_of(result, 'uvwxy')
    best = result.rows['raw'][result.best()]
    assert metrics['mIoU'] == round(100 * best.miou, 4)
    assert metrics['mIoU'] + metrics['FP'] + metrics['FN'] == pytest.approx(100)
    assert [row['threshold'] for row in metrics['sweep']['eroded']] == list(THRESHOLDS)
    assert set(metrics['classes']['raw']) == set('uvwxy')
    text = tables_of(result, 'uvwxy')
    assert (
        f'| {100 * best.miou:.2f} |' in text
        and '| mIoU (in truth or prediction) |' in text
    )


def test_thresholds() -> None:
    sheet = parse_thresholds('0.1:0.4:0.01')
    assert len(sheet) == 31 and sheet[0] == np.float32(0.1)
    assert sheet[-1] == np.float32(0.4)
    assert parse_thresholds('0.25,0.5') == (0.25, 0.5)
    for text in ('0.1:0.4', '', 'a', '0:2:0.1', '0:1:0'):
        with pytest.raises(ValueError, match='low:high:step'):
            parse_thresholds(text)


@pytest.mark.parametrize(
    'settings,message',
    [
        (dict(kind='seg'), "kind must be one of .*'seg'"),
        (dict(kind='mask', erode=True), 'eroded scoring is for CAMs'),
        (dict(crf='irn', erode=True), 'without a CRF'),
        (dict(kind='mask', crf='irn'), 'masks are scored as they are'),
        (dict(all_labels=True), 'labels of the CRF'),
        (dict(thresholds=(0.5, 0.4)), 'must increase'),
        (dict(thresholds=()), 'increase'),
        (dict(crf='mine'), "preset must be .*'mine'"),
    ],
)
def test_bad_settings(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        EvalCfg(NUM_CLASSES, **settings)


def test_folders(folder) -> None:
    assert maps_in(folder) == (folder / 'cam', 'cam')
    assert (
        maps_in(folder, 'mask') == maps_in(folder / 'mask') == (folder / 'mask', 'mask')
    )
    assert names_in(folder / 'cam', 'cam') == list(NAMES)
    assert classes_of(folder / 'cam') is None
    write_manifest(folder, dict(settings={}, classes=['x', 'y']))
    assert classes_of(folder / 'cam') == classes_of(folder) == ('x', 'y')
    (folder / 'made' / 'fused').mkdir(parents=True)
    (folder / 'made' / 'fused' / 'a.npz').touch()
    assert maps_in(folder / 'made') == (folder / 'made' / 'fused', 'cam')
    (folder / 'empty').mkdir()
    with pytest.raises(DataError, match=r'empty holds no \.npz or \.png files'):
        maps_in(folder / 'empty')
    with pytest.raises(DataError, match='nowhere is no folder'):
        maps_in(folder / 'nowhere')


def test_missing_files_are_named(folder) -> None:
    (folder / 'truth' / 'b.png').unlink()
    with pytest.raises(DataError, match=r'b\.png is not there.*pixel labels.*--list'):
        tasks_of(folder)
    (folder / 'cam' / 'c.npz').unlink()
    with pytest.raises(DataError, match=r'c\.npz is not there: 1 of 2 .*maps'):
        tasks_of(folder, names=('a', 'c'))
    (folder / 'images' / 'a.jpg').unlink()
    with pytest.raises(DataError, match='1 of 1 pictures is missing.*--img-dir'):
        tasks_of(folder, names=('a',))
    with pytest.raises(DataError, match='nothing to score'):
        tasks_of(folder, names=())


@pytest.mark.parametrize('workers', [0, 2])
def test_files_that_do_not_fit(folder, workers) -> None:
    cfg = EvalCfg(NUM_CLASSES, thresholds=THRESHOLDS)
    save_scores(folder / 'cam' / 'a.npz', smooth(1, (9, 9), 0), [2], (30, 40))
    with pytest.raises(DataError, match=r'a\.npz has maps of \(30, 40\)'):
        evaluate_maps(tasks_of(folder), cfg, workers)
    save_scores(folder / 'cam' / 'a.npz', smooth(1, (9, 9), 0), [5], SIZES[0])
    with pytest.raises(DataError, match=r'a\.npz has maps of class 5.*ends with 4'):
        evaluate_maps(tasks_of(folder), cfg, workers)
    save_label_png(np.zeros((30, 40), int), folder / 'mask' / 'a.png')
    with pytest.raises(MaskError, match=r'a\.png is \(30, 40\), the truth .*41'):
        evaluate_maps(tasks_of(folder, 'mask'), EvalCfg(NUM_CLASSES, 'mask'), workers)
    save_label_png(np.full(SIZES[0], 7), folder / 'mask' / 'a.png')
    with pytest.raises(MaskError, match=r'a\.png holds the ids \[7\]'):
        evaluate_maps(tasks_of(folder, 'mask'), EvalCfg(NUM_CLASSES, 'mask'), workers)
