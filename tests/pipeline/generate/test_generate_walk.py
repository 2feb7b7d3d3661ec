# Licensed under Apache-2.0.
"""Masks after a random walk: in one call, and from CAMs that were saved before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.io.data_errors import DataError
from mmwsss.io.pictures.reader import read_rgb
from mmwsss.io.score_files import load_scores
from mmwsss.labelers.refiners.walk_refiner import RandomWalk
from mmwsss.pipeline.generate.generate_cfg import GenerateCfg
from mmwsss.pipeline.generate.generate_labels import generate_labels
from mmwsss.pipeline.generate.split_images import split_cfg
from mmwsss.pipeline.generate.walked_maps import Affinity
from mmwsss.pipeline.inference import init_model
from tests.helpers.generation import (
    config_of,
    contents,
    draw_data,
    read_png,
    weights_of,
)

THRESHOLD = 0.25


@pytest.fixture(scope='module')
def place(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('walk')
    draw_data(root / 'data')
    settings = GenerateCfg(save=('cam',), stride=4)
    generate_labels(
        config_of('toco', root / 'data'),
        weights_of('toco', root),
        root / 'cams',
        settings,
    )
    return root


def walk(
    place: Path,
    out: Path,
    method: str = 'irn',
    cams: str | None = 'cams',
    side_inputs: dict | None = None,
    **settings,
) -> dict[str, bytes]:
    settings = dict(refine='rw', save=('mask',), bkg_thr=(THRESHOLD,)) | settings
    affinity = (
        Affinity(cams=place / cams)
        if cams
        else Affinity(config_of('irn', place / 'data'), weights_of('irn', place))
    )
    cfg = config_of(method, place / 'data')
    if side_inputs is not None:
        cfg.train_dataloader.dataset.side_inputs = side_inputs
    generate_labels(
        cfg,
        weights_of(method, place),
        out,
        GenerateCfg(**settings),
        affinity=affinity,
    )
    return contents(out)


def test_saved_cams_walk(place, tmp_path) -> None:
    walk(place, tmp_path, save=('mask', 'cam'))
    network = RandomWalk(
        init_model(config_of('irn', place / 'data'), weights_of('irn', place))
    )
    moved = 0
    for path in sorted((place / 'cams' / 'cam').iterdir()):
        photo = place / 'data' / 'JPEGImages' / f'{path.stem}.jpg'
        pixels = torch.from_numpy(read_rgb(photo).copy())
        cam = load_scores(path, 'cam', None)
        (walked,) = network([pixels.permute(2, 0, 1)], [torch.from_numpy(cam.scores)])
        score, slot = walked.max(0)
        want = torch.where(score > THRESHOLD, torch.from_numpy(cam.ids)[slot], 0)
        mask = read_png(tmp_path / 'mask' / f'{path.stem}.png')
        assert np.array_equal(mask, want.numpy())
        saved = load_scores(tmp_path / 'cam' / path.name, 'cam', None)
        assert saved.scores.shape == cam.scores.shape and (saved.ids == cam.ids).all()
        moved += np.abs(saved.scores - cam.scores).max() > 0.1
    assert moved >= 4


def test_one_call_equals_two(place, tmp_path) -> None:
    """But for the rounding of the saved CAMs to half precision."""
    two = walk(place, tmp_path / 'two')
    one = walk(place, tmp_path / 'one', 'toco', None)
    assert one.keys() == two.keys() and len(one) == 5
    for name in one:
        masks = [read_png(tmp_path / out / name) for out in ('one', 'two')]
        assert (masks[0] != masks[1]).mean() < 5e-3 and masks[0].any()


def test_a_crf_may_follow(place, tmp_path) -> None:
    plain = walk(place, tmp_path / 'plain')
    crf = walk(place, tmp_path / 'crf', preset='semformer_pseudo')
    assert crf.keys() == plain.keys() and crf != plain


def test_pixel_labels_are_not_read(place) -> None:
    """The edge network trains on a folder of seeds; labels are generated without."""
    cfg = config_of('irn', place / 'data')
    assert cfg.train_dataloader.dataset.side_inputs.mask
    cfg.train_dataloader.dataset.update(sal_dir='saliency', fused_dir='fused')
    dataset = split_cfg(cfg, None, 'none', plain=True)
    assert not dataset['with_masks']
    assert not {'side_inputs', 'sal_dir', 'fused_dir'} & set(dataset)
    assert [step['type'] for step in dataset['pipeline']] == [
        'LoadPicture',
        'PackWeakInputs',
    ]


def test_side_inputs_that_the_labels_need(place) -> None:
    """Only those; read while the picture is as it was."""
    cfg = config_of('irn', place / 'data')
    segments = dict(dir='segments', kind='ids')
    cfg.train_dataloader.dataset.side_inputs.segments = segments
    dataset = split_cfg(cfg, None, 'none', plain=True, side_inputs=('segments',))
    assert dataset['side_inputs'] == dict(segments=segments)
    assert dataset['pipeline'][1] == dict(type='LoadSideInputs', names=('segments',))
    with pytest.raises(ValueError, match=r'side_inputs=dict\(depth=dict\(dir'):
        split_cfg(cfg, None, 'none', plain=True, side_inputs=('depth',))


def test_what_is_refused(place, tmp_path) -> None:
    with pytest.raises(ValueError, match='background: give bkg_thr.*0.25'):
        walk(place, tmp_path / 'a', bkg_thr=())
    with pytest.raises(ValueError, match='as AffinityNetwork, got a ToCo'):
        walk(place, tmp_path / 'b', 'toco')
    with pytest.raises(ValueError, match='config and the checkpoint of an affinity'):
        Affinity(config='a.py')
    coarse = place / 'coarse'
    generate_labels(
        config_of('toco', place / 'data'),
        weights_of('toco', place),
        coarse,
        GenerateCfg(save=('cam',), stride=8),
    )
    with pytest.raises(DataError, match=r'im_00\.npz has maps .*--stride 4'):
        walk(place, tmp_path / 'c', cams='coarse')
    (coarse / 'cam' / 'im_03.npz').unlink()
    with pytest.raises(DataError, match=r'lacks the maps of 1 of 5 .*im_03\.npz'):
        walk(place, tmp_path / 'd', cams='coarse')


def test_other_cams_are_other_settings(place, tmp_path) -> None:
    walk(place, tmp_path / 'out')
    generate_labels(
        config_of('toco', place / 'data'),
        weights_of('toco', place, 1),
        place / 'others',
        GenerateCfg(save=('cam',), stride=4),
    )
    with pytest.raises(ValueError, match=r'cams: "\w+" → "\w+"'):
        walk(place, tmp_path / 'out', cams='others')


def test_a_labeler_with_side_inputs(place, tmp_path) -> None:
    """Segments vote over the walked maps, in one call and from saved CAMs."""
    data = place / 'data'
    (data / 'Segments').mkdir(exist_ok=True)
    for path in (data / 'JPEGImages').iterdir():
        with Image.open(path) as picture:
            grey = np.asarray(picture.convert('L'))
        halves = 1 + (np.arange(grey.shape[1]) >= grey.shape[1] // 2)
        segments = np.broadcast_to(halves, grey.shape).astype(np.uint8)
        Image.fromarray(segments).save(data / 'Segments' / f'{path.stem}.png')
    declared = dict(segments=dict(dir='Segments', kind='ids'))
    vote = dict(type='SegmentVote', bkg_thr=0.1)
    settings = dict(bkg_thr=(), labeler=vote, side_inputs=declared)
    two = walk(place, tmp_path / 'two', save=('mask', 'cam'), **settings)
    one = walk(place, tmp_path / 'one', 'toco', None, **settings)
    assert {name for name in two if 'mask' in name} == set(one)
    masks = [read_png(tmp_path / 'two' / name) for name in one]
    for mask in masks:  # one class for each segment
        middle = mask.shape[1] // 2
        assert len(np.unique(mask[:, :middle])) == 1 == len(np.unique(mask[:, middle:]))
    assert any(mask.any() for mask in masks)
    with pytest.raises(ValueError, match=r'side_inputs=dict\(segments=dict\(dir'):
        walk(place, tmp_path / 'not', bkg_thr=(), labeler=vote)
