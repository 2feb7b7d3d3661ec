# Licensed under Apache-2.0.
"""Generated files: what the network predicts, as it was asked to be kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.cam import strided_size
from mmwsss.datasets.shapes.shapes_dataset import ShapesDataset
from mmwsss.io.score_files import load_scores
from mmwsss.pipeline.generate.generate_labels import RunOptions
from tests.helpers.generation import (
    IDS,
    LABELS,
    NAMES,
    SIZES,
    contents,
    predicted,
    read_png,
)


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
        dict(type='LoadPicture'),
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


def test_split_by_name(run, place) -> None:
    names = (place / 'data' / 'splits' / 'train.txt').read_text().splitlines()[:2]
    (place / 'data' / 'splits' / 'few.txt').write_text('\n'.join(names) + '\n')
    report, out = run(split='few', save=('mask',))
    assert report.images == 2
    assert {p.stem for p in (out / 'mask').iterdir()} == set(NAMES[:2])


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
