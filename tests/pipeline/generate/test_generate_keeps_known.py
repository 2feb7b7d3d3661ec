# Licensed under Apache-2.0.
"""Masks keep the pixels that are known, whoever makes them."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.pipeline.generate import generate_labels as module
from mmwsss.pipeline.generate.generate_labels import RunOptions
from mmwsss.pipeline.refine.refine_cfg import RefineCfg
from mmwsss.pipeline.refine.refine_folder import refine_folder
from tests.helpers.generation import NAMES, SIZES, config_of, contents, read_png

#: by picture: rows that are known, and of which class (of its label, or background)
KNOWN = {'im_00': {0: 2, 1: 0}, 'im_03': {5: 4}}


@pytest.fixture
def known(tmp_path) -> Path:
    """Partial labels of two of the five pictures."""
    folder = tmp_path / 'partial'
    folder.mkdir()
    for name, rows in KNOWN.items():
        ids = np.full(SIZES[NAMES.index(name)], 255, np.uint8)
        for row, i in rows.items():
            ids[row] = i
        Image.fromarray(ids).save(folder / f'{name}.png')
    return folder


def config_with(place: Path, known: Path, method: str = 'toco'):
    cfg = config_of(method, place / 'data')
    cfg.train_dataloader.dataset.side_inputs = dict(
        partial=dict(dir=str(known), kind='ids')
    )
    cfg.train_dataloader.dataset.pipeline.insert(1, dict(type='LoadSideInputs'))
    return cfg


WAYS = dict(
    own=dict(refine='own'),
    threshold=dict(bkg_thr=(0.4,)),
    crf=dict(refine='crf', preset='irn', bkg_thr=(0.4,)),
    decoder=dict(source='seg'),
)


@pytest.mark.parametrize(('way', 'workers'), [*((way, 0) for way in WAYS), ('crf', 2)])
def test_known_rows_stay(run, place, known, way, workers) -> None:
    """All else is as without them."""
    options = RunOptions(workers=workers)
    settings = dict(save=('mask',), options=options, **WAYS[way])
    _, plain = run(out='plain', **settings)
    _, kept = run(out='kept', cfg=config_with(place, known), **settings)
    for name in NAMES:
        before, after = (read_png(d / 'mask' / f'{name}.png') for d in (plain, kept))
        rows = KNOWN.get(name, {})
        for row, i in rows.items():
            assert (after[row] == i).all()
        rest = [r for r in range(len(after)) if r not in rows]
        assert np.array_equal(before[rest], after[rest])
    assert contents(plain) != contents(kept)


def test_maps_alone_ask_for_none(run, place, known) -> None:
    _, plain = run(out='plain', save=('cam',))
    _, kept = run(out='kept', cfg=config_with(place, known), save=('cam',))
    assert contents(plain) == contents(kept)


def test_it_is_said_and_belongs_to_the_settings(run, place, known, monkeypatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(module, 'log_once', said.append)
    settings = dict(save=('mask',), bkg_thr=(0.4,))
    run(cfg=config_with(place, known), **settings)
    assert any('2 of 5 pictures' in s and 'stay as they are' in s for s in said)
    report, _ = run(cfg=config_with(place, known), **settings)
    assert report.skipped == len(NAMES)
    ids = np.full(SIZES[1], 255, np.uint8)
    Image.fromarray(ids).save(known / 'im_01.png')
    with pytest.raises(ValueError, match='partial: '):
        run(cfg=config_with(place, known), **settings)


@pytest.mark.parametrize('workers,batch_size', [(0, None), (2, None), (0, 2)])
def test_refined_labels_keep_them(run, place, known, tmp_path, workers, batch_size):
    _, made = run(out='made', save=('mask',), bkg_thr=(0.4,))
    images, cfg = place / 'data/JPEGImages', RefineCfg(kind='label')
    settings = dict(workers=workers, batch_size=batch_size)
    refine_folder(images, made / 'mask', tmp_path / 'plain', cfg, **settings)
    report = refine_folder(
        *(images, made / 'mask', tmp_path / 'kept', cfg),
        partial_labels=known,
        **settings,
    )
    assert report.written == len(NAMES) and not report.failed
    for name in NAMES:
        before, after = (
            read_png(tmp_path / d / f'{name}.png') for d in ('plain', 'kept')
        )
        rows = KNOWN.get(name, {})
        assert all((after[row] == i).all() for row, i in rows.items())
        rest = [r for r in range(len(after)) if r not in rows]
        assert np.array_equal(before[rest], after[rest])


def test_a_partial_label_of_another_picture(
    run, place, known, tmp_path, caplog
) -> None:
    _, made = run(out='made', save=('mask',), bkg_thr=(0.4,))
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(known / 'im_02.png')
    with caplog.at_level(logging.WARNING):
        report = refine_folder(
            *(place / 'data/JPEGImages', made / 'mask', tmp_path / 'kept'),
            RefineCfg(kind='label'),
            partial_labels=known,
        )
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match=r'empty has no PNG of any of the 5 images'):
        refine_folder(
            *(place / 'data/JPEGImages', made / 'mask', tmp_path / 'other'),
            RefineCfg(kind='label'),
            partial_labels=tmp_path / 'empty',
        )
    assert list(report.failed) == ['im_02'] and 'im_02.png is (4, 5)' in str(
        report.failed
    )
    assert not (tmp_path / 'kept/im_02.png').exists()
