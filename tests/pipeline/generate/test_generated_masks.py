# Licensed under Apache-2.0.
"""Masks by every rule: thresholds, PAR, CRF, seeds, a labeler, the decoder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from mmwsss.labelers.refiners.crf_refiner import DenseCRF
from mmwsss.labelers.seeds import affinity_seeds
from mmwsss.pipeline.generate.generate_cfg import GenerateCfg
from mmwsss.pipeline.generate.split_images import declare_side_input
from mmwsss.pipeline.label_options import read_segments_entry
from mmwsss.pipeline.refine.refine_cfg import RefineCfg
from mmwsss.pipeline.refine.refine_folder import refine_folder
from tests.helpers.generation import (
    LABELS,
    NAMES,
    config_of,
    contents,
    predicted,
    read_png,
)


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
    cfg.model.test_cfg.outputs = ('cam',)
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


def test_votes_over_segments_of_any_model(run, place, tmp_path) -> None:
    """One class a segment; resumed; another folder of segments is not mixed in."""
    folder = tmp_path / 'segments'
    folder.mkdir()
    for name, pixels, _ in predicted(place, 'toco', outputs=('class_maps',)):
        height, width = pixels.shape[-2:]
        ids = np.arange(height)[:, None] // 9 * 8 + np.arange(width) // 9 + 1
        masks = np.stack([ids == one for one in np.unique(ids)])
        np.savez(folder / f'{name}.npz', segments=masks)
    cfg = config_of('toco', place / 'data')
    declare_side_input(cfg, 'segments', read_segments_entry(str(folder)))
    vote = dict(type='SegmentVote', bkg_thr=0.35, vote='hard')
    settings = dict(out='vote', cfg=cfg, save=('mask',), labeler=vote)
    report, out = run(**settings)
    assert not report.skipped
    for name in NAMES:
        mask = read_png(out / 'mask' / f'{name}.png')
        cells = mask[: mask.shape[0] // 9 * 9, : mask.shape[1] // 9 * 9]
        cells = cells.reshape(cells.shape[0] // 9, 9, -1, 9)
        assert (cells == cells[:, :1, :, :1]).all()
    assert run(**settings)[0].skipped == len(NAMES)
    np.savez(folder / f'{NAMES[0]}.npz', segments=np.ones(mask.shape, np.uint8))
    with pytest.raises(ValueError, match='segments'):
        run(**settings)


def test_segments_as_a_command_line_says_them() -> None:
    assert read_segments_entry('a/b') == dict(kind='segments', root='.', dir='a/b')
    found = read_segments_entry("dict(dir='a', overlap='score', min_score=0.9)")
    assert found == dict(
        kind='segments', root='.', dir='a', overlap='score', min_score=0.9
    )
    for text in ('dict(3)', 'dict(dir=3)', "dict(overlap='score')"):
        with pytest.raises(ValueError, match='segments must be a folder, or dict'):
            read_segments_entry(text)
