# Licensed under Apache-2.0.
"""The inferencer: pictures in, masks, confidence, scores and maps out."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import INFERENCERS as MMSEG_INFERENCERS
from PIL import Image

from mmwsss.apis import WSSSInferencer, init_model, predict_image
from mmwsss.datasets.shapes.scenes import draw_scene
from mmwsss.io.data_errors import DataError
from mmwsss.io.errors import UserError
from mmwsss.io.score_files import load_scores
from mmwsss.registry import INFERENCERS
from tests.helpers.drawn_shapes import CHECKPOINT, CONFIG
from tests.helpers.methods import ROOT
from tests.helpers.tiles import GEO
from tests.models.segmentors.test_post_processed import stock

SIZES = [(96, 96), (64, 96), (96, 96), (80, 72), (96, 96)]
CLASSES = ['stripes', 'dots', 'check', 'rings', 'zigzag', 'grid']


@pytest.fixture(scope='module')
def inferencer():
    return WSSSInferencer('toco_vit-t_shapes', device='cpu')


@pytest.fixture(scope='module')
def photos():
    scenes = [draw_scene(0, i).image for i in range(len(SIZES))]
    return [scene[:h, :w] for scene, (h, w) in zip(scenes, SIZES)]


def test_what_it_gives(inferencer, photos) -> None:
    outputs = ('cam', 'prob', 'pseudo', 'seg_logits', 'panel')
    results = inferencer(photos[0], outputs=outputs)
    (found,) = results['predictions']
    sample = predict_image(
        init_model(CONFIG, CHECKPOINT), photos[0], outputs=('prob', 'pseudo')
    )
    prob = sample.pred_prob.data
    np.testing.assert_array_equal(found.mask, prob.argmax(0))
    np.testing.assert_allclose(found.confidence, prob.amax(0), rtol=1e-6)
    np.testing.assert_allclose(found.prob.maps, prob, atol=1e-6)
    np.testing.assert_array_equal(found.pseudo, sample.pred_pseudo.data[0])
    scores = sample.pred_score.tolist()
    assert found.scores == pytest.approx(dict(zip(CLASSES, scores)))
    assert found.present == [name for name, s in zip(CLASSES, scores) if s > 0.5]
    assert [CLASSES[i - 1] for i in found.cam.ids] == found.present
    assert found.cam.maps.shape == (len(found.present), 96, 96) and found.stride == 1
    assert found.seg_logits.shape == (7, 96, 96) and found.mask.dtype == np.uint8
    assert results['visualization'][0] is found.panel and found.panel.shape[2] == 3
    assert found.sample is None and results['failed'] == {}


def test_only_what_is_asked_for(inferencer, photos) -> None:
    (found,) = inferencer(photos[0])['predictions']
    assert found.mask is not None and found.confidence is not None and found.scores
    for name in ('cam', 'prob', 'pseudo', 'seg_logits', 'panel', 'sample'):
        assert getattr(found, name) is None, name


@pytest.mark.parametrize('batch_size', [1, 2, 3])
def test_batches_change_nothing(inferencer, photos, batch_size) -> None:
    found = inferencer(photos, batch_size=batch_size, outputs=('prob',))
    for one, photo in zip(found['predictions'], photos, strict=True):
        (alone,) = inferencer(photo, outputs=('prob',))['predictions']
        assert one.size == photo.shape[:2]  # in the order given
        np.testing.assert_allclose(one.prob.maps, alone.prob.maps, atol=1e-5)


def test_samples_as_mmengine_has_them(inferencer, photos) -> None:
    samples = inferencer(photos[:2], return_datasamples=True)['predictions']
    assert [tuple(s.pred_sem_seg.data.shape) for s in samples] == [
        (1, 96, 96),
        (1, 64, 96),
    ]


def test_registered_as_mmseg_does(photos) -> None:
    cfg = dict(type='WSSSInferencer', model=CONFIG, weights=CHECKPOINT, device='cpu')
    ours = INFERENCERS.build(dict(cfg))
    theirs = MMSEG_INFERENCERS.build(dict(cfg, type='mmwsss.WSSSInferencer'))
    masks = [one(photos[0])['predictions'][0].mask for one in (ours, theirs)]
    np.testing.assert_array_equal(*masks)


def test_files(inferencer, photos, tmp_path) -> None:
    (tmp_path / 'in').mkdir()
    for i, photo in enumerate(photos):
        Image.fromarray(photo).save(tmp_path / f'in/p{i}.png')
    (tmp_path / 'in/broken.jpg').write_bytes(b'x')
    out = tmp_path / 'out'
    outputs = ('cam', 'prob', 'panel')
    done = inferencer(tmp_path / 'in', out_dir=out, outputs=outputs, batch_size=2)
    assert list(done['failed']) == [str(tmp_path / 'in/broken.jpg')]
    assert done['predictions'] == []
    names = [f'p{i}' for i in range(len(photos))]
    assert sorted(p.stem for p in out.glob('*.png')) == names  # no panel among them
    for folder in ('panels', 'confidence', 'cam', 'prob'):
        assert sorted(p.stem for p in (out / folder).iterdir()) == names
    (want,) = inferencer(tmp_path / 'in/p1.png', outputs=outputs)['predictions']
    np.testing.assert_array_equal(np.asarray(Image.open(out / 'p1.png')), want.mask)
    grey = np.asarray(Image.open(out / 'confidence/p1.png')) / 255
    np.testing.assert_allclose(grey, want.confidence, atol=0.5 / 255 + 1e-5)
    for kind in ('cam', 'prob'):
        maps = load_scores(out / f'{kind}/p1.npz', kind, want.size)
        np.testing.assert_allclose(maps.scores, getattr(want, kind).maps, atol=1e-3)
    rows = list(csv.DictReader((out / 'scores.csv').open()))
    assert [row['picture'] for row in rows] == names
    assert float(rows[1]['dots']) == pytest.approx(want.scores['dots'], abs=1e-5)
    inferencer(tmp_path / 'in', out_dir=out, outputs=outputs)  # again, over its own
    with pytest.raises(UserError, match='which is read'):
        inferencer(tmp_path / 'in', out_dir=tmp_path / 'in')


def test_a_geotiff_gives_one(inferencer, photos, tmp_path) -> None:
    """Its mask as a GeoTIFF at the same place; a photo has no place."""
    tifffile = pytest.importorskip('tifffile')
    tifffile.imwrite(
        tmp_path / 'a.tif', photos[1], photometric='rgb', extratags=[*GEO.values()]
    )
    out = tmp_path / 'out'
    inferencer(tmp_path / 'a.tif', out_dir=out, outputs=('geotiff',))
    (want,) = inferencer(tmp_path / 'a.tif')['predictions']
    with tifffile.TiffFile(out / 'a.tif') as file:
        np.testing.assert_array_equal(file.pages[0].asarray(), want.mask)
        for code, _, _, value, _ in GEO.values():
            if code != 42113:  # the mask's own value without data
                assert file.pages[0].tags[code].value == value
    Image.fromarray(photos[1]).save(tmp_path / 'b.png')
    with pytest.raises(UserError, match='no georeference'):
        inferencer(tmp_path / 'b.png', out_dir=out, outputs=('geotiff',))


def test_a_single_broken_picture_is_an_error(inferencer, photos, tmp_path) -> None:
    (tmp_path / 'a.jpg').write_bytes(b'x')
    with pytest.raises(DataError, match='a.jpg cannot be read'):
        inferencer(tmp_path / 'a.jpg')
    with pytest.raises(UserError, match='float64'):
        inferencer(photos[0] / 2)
    several = inferencer([photos[0], photos[0] / 2, photos[1]])
    assert [one.size for one in several['predictions']] == [(96, 96), (64, 96)]
    assert list(several['failed']) == ['picture_000001']


def test_stitched(photos) -> None:
    """Maps at stride 4, in any mixture with whole pictures; no logits."""
    view = dict(scales=(1.0,), mirror=False)
    settings = dict(windows=dict(size=(64, 64)), seg=view, cam=view)
    inferencer = WSSSInferencer(
        'toco_vit-t_shapes', device='cpu', test_cfg=settings | dict(cam_filter='none')
    )
    small = photos[1][:48, :56]
    outputs = ('cam', 'prob', 'panel')
    found = inferencer([photos[0], small, photos[0]], batch_size=2, outputs=outputs)
    one, whole, other = found['predictions']
    assert (one.stride, whole.stride) == (4, 1) and one.mask.shape == (96, 96)
    assert one.cam.maps.shape == (6, 24, 24) and one.prob.maps.shape == (7, 24, 24)
    assert whole.cam.maps.shape == (6, 48, 56) and one.panel.shape == other.panel.shape
    np.testing.assert_array_equal(one.confidence, other.confidence)
    plain = WSSSInferencer('toco_vit-t_shapes', device='cpu', test_cfg=settings)
    (want,) = plain(small, outputs=('prob',))['predictions']
    np.testing.assert_array_equal(whole.prob.maps, want.prob.maps)
    with pytest.raises(UserError, match="has no \\['seg_logits'\\]"):
        inferencer(photos[0], outputs=('seg_logits',))


def test_a_picture_without_room_for_its_maps(photos, monkeypatch) -> None:
    """It goes through whole, and its label and confidence are made in tiles."""
    inferencer = WSSSInferencer('toco_vit-t_shapes', device='cpu')
    (want,) = inferencer(photos[0], outputs=('prob',))['predictions']
    monkeypatch.setattr('mmwsss.pipeline.large_prediction.MAPS_AT_MOST', 1000)
    (found,) = inferencer(photos[0], outputs=('prob',))['predictions']
    assert (want.stride, found.stride) == (1, 4)
    np.testing.assert_array_equal(found.mask, want.mask)
    np.testing.assert_allclose(found.confidence, want.confidence, atol=1e-5)


def test_a_network_without_a_decoder(photos) -> None:
    model = init_model(ROOT / 'configs/toco/toco_vit-t_shapes_ctc.py')
    model.dataset_meta = dict(classes=['background', *CLASSES])
    inferencer = WSSSInferencer(model)
    (found,) = inferencer(photos[0], outputs=('cam',))['predictions']
    want = predict_image(model, photos[0], outputs=('pseudo', 'class_maps'))
    np.testing.assert_array_equal(found.mask, want.pred_pseudo.data[0])
    maps = want.class_maps[1].maps
    largest = torch.maximum(maps.amax(0), 1 - maps.amax(0))
    share = largest / (maps.sum(0) + 1 - maps.amax(0))
    np.testing.assert_allclose(found.confidence, share, atol=1e-6)
    with pytest.raises(UserError, match="has no 'prob'"):
        inferencer(photos[0], outputs=('prob',))


def test_models_of_mmseg(photos) -> None:
    cfg = stock()
    cfg.decode_head.init_cfg = None
    try:
        model = init_model(Config(dict(default_scope='mmseg', model=cfg)))
        model.dataset_meta = dict(classes=[f'c{i}' for i in range(model.num_classes)])
        (found,) = WSSSInferencer(model)(photos[1], outputs=('prob',))['predictions']
        want = predict_image(model, photos[1]).seg_logits.data.softmax(0)
        np.testing.assert_allclose(found.prob.maps, want, atol=1e-6)
        np.testing.assert_allclose(found.confidence, want.amax(0), atol=1e-6)
        np.testing.assert_array_equal(found.mask, want.argmax(0))
        with pytest.raises(UserError, match="has no 'cam'"):
            WSSSInferencer(model)(photos[1], outputs=('cam',))
    finally:
        init_default_scope('mmwsss')


def test_post_processed_and_augmented(inferencer, photos) -> None:
    plain = inferencer(photos[0])['predictions'][0]
    for options in (dict(post_processor='par'), dict(tta=True)):
        other = WSSSInferencer('toco_vit-t_shapes', device='cpu', **options)
        (found,) = other(photos[0])['predictions']
        assert np.abs(found.confidence - plain.confidence).max() > 1e-3
        assert (found.mask == plain.mask).mean() > 0.7
        assert found.confidence.min() > 0 and found.confidence.max() <= 1 + 1e-6


def test_a_video(inferencer, photos, tmp_path) -> None:
    path = str(tmp_path / 'clip.mp4')
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*'mp4v'), 4, (96, 96))
    for photo in (photos[0], photos[2], photos[4]):
        writer.write(photo[..., ::-1].copy())
    writer.release()
    inferencer(path, out_dir=tmp_path / 'out', batch_size=2)
    masks = sorted((tmp_path / 'out/clip').glob('*.png'))
    assert [mask.stem for mask in masks] == ['000000', '000001', '000002']
    assert inferencer.overlay_video(path, tmp_path / 'over.mp4', batch_size=2) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ['clip.mp4', 'out', 'over.mp4']
    capture = cv2.VideoCapture(str(tmp_path / 'over.mp4'))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert capture.get(cv2.CAP_PROP_FPS) == 4


def test_refused() -> None:
    name = 'toco_vit-t_shapes'
    with pytest.raises(UserError, match='reads ground-truth labels'):
        WSSSInferencer(name, test_cfg=dict(cam_filter='gt'))
    with pytest.raises(UserError, match='comes without weights'):
        WSSSInferencer(CONFIG)
    with pytest.raises(UserError, match='toco_vit-b_voc has no weights; these have'):
        WSSSInferencer('toco_vit-b_voc')
    with pytest.raises(UserError, match='needs a GPU'):
        WSSSInferencer(name, device='cpu', amp='fp16')
    with pytest.raises(UserError, match="\\['tta'\\] belong to a model that is built"):
        WSSSInferencer(init_model(CONFIG, CHECKPOINT), tta=True)


def test_refused_when_asked(inferencer, photos) -> None:
    with pytest.raises(UserError, match='outputs must be one of'):
        inferencer(photos[0], outputs=('masks',))
    with pytest.raises(UserError, match='batch_size must be 1 or more'):
        inferencer(photos[0], batch_size=0)


def test_progress_in_a_terminal_alone(inferencer, photos, capsys, monkeypatch) -> None:
    inferencer(photos)
    assert capsys.readouterr().err == ''
    monkeypatch.setattr('sys.stderr.isatty', lambda: True, raising=False)
    inferencer(photos)
    assert 'predicting' in capsys.readouterr().err


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
@pytest.mark.parametrize('amp', [None, 'bf16', 'fp16'])
def test_on_a_gpu(inferencer, photos, amp) -> None:
    on_gpu = WSSSInferencer('toco_vit-t_shapes', device='cuda', amp=amp)
    found = on_gpu(photos, batch_size=3)['predictions']
    same = [
        (one.mask == want.mask).mean()
        for one, want in zip(found, inferencer(photos)['predictions'])
    ]
    assert min(same) > (0.999 if amp is None else 0.97)
