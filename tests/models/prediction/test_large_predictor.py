# Licensed under Apache-2.0.
"""Large pictures: what a plain loop gives, without seams, and without large maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from mmwsss.datasets.shapes.scenes import draw_scene
from mmwsss.io.errors import UserError
from mmwsss.models.prediction.inference_cfg import InferenceCfg
from mmwsss.models.prediction.large_predictor import LargePredictor
from mmwsss.models.prediction.windows import window_boxes, window_weight
from mmwsss.pipeline.inference import init_model, predict_image
from tests.helpers.drawn_shapes import CHECKPOINT, CONFIG

ONE_VIEW = dict(scales=(1.0,), mirror=False)
WINDOWS = dict(size=(96, 96), overlap=0.25)


@pytest.fixture(scope='module')
def model():
    return init_model(CONFIG, CHECKPOINT)


def picture(height: int, width: int) -> np.ndarray:
    """Drawn scenes of 96 pixels beside each other, cut so that none begins at 0."""
    rows, columns = height // 96 + 2, width // 96 + 2
    scenes = [
        [draw_scene(0, row * columns + i).image for i in range(columns)]
        for row in range(rows)
    ]
    whole = np.concatenate([np.concatenate(row, 1) for row in scenes])
    return np.ascontiguousarray(whole[20 : 20 + height, 20 : 20 + width])


def smooth_picture(height: int, width: int, cell: int) -> np.ndarray:
    """Colours that change everywhere, so that no border is a picture's own."""
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 256, (height // cell + 1, width // cell + 1, 3), np.uint8)
    return np.asarray(Image.fromarray(cells).resize((width, height), 3))


def predict_tiled(model, pixels, **settings) -> Any:
    given = dict(outputs=('seg',), windows=WINDOWS, seg=ONE_VIEW) | settings
    cfg = InferenceCfg.of(model.test_cfg, **given, cam_filter='pred')
    return LargePredictor(model, cfg).predict_pixels(pixels)


@torch.no_grad()
def loop_over_windows(model, pixels) -> torch.Tensor:
    """(C + 1, H, W) probabilities: window by window, weighted, divided, resized."""
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
    image = model.data_preprocessor.normalise(image)
    height, width = pixels.shape[:2]
    total = torch.zeros(1, model.num_classes, height // 8, width // 8)
    weights = torch.zeros(height // 8, width // 8)
    for y0, y1, x0, x1 in window_boxes((height, width), (96, 96), 0.25, 8):
        logits = model.seg_logits(model.encode(image[..., y0:y1, x0:x1]))
        weight = window_weight(tuple(logits.shape[-2:]), logits)
        place = slice(y0 // 8, y1 // 8), slice(x0 // 8, x1 // 8)
        total[:, :, *place] += logits * weight
        weights[place] += weight
    logits = F.interpolate(total / weights, (height, width), mode='bilinear')
    return logits[0].softmax(0)


def test_as_a_plain_loop_over_windows(model) -> None:
    pixels = picture(200, 264)
    want = loop_over_windows(model, pixels)
    found = predict_tiled(model, pixels)
    confidence, label = want.max(0)
    assert found.pred_sem_seg.data.dtype == torch.uint8
    torch.testing.assert_close(
        found.pred_confidence.data[0], confidence, rtol=0, atol=1e-5
    )
    sure = want.topk(2, 0).values.diff(dim=0).abs()[0] > 1e-5
    assert torch.equal(found.pred_sem_seg.data[0][sure], label[sure].byte())
    assert len(label.unique()) > 2 and sure.float().mean() > 0.99


@pytest.mark.parametrize('fuse_at', ['label', 'logits'])
def test_several_views_and_tiles_as_in_one_piece(model, monkeypatch, fuse_at) -> None:
    monkeypatch.setattr('mmwsss.models.prediction.large_predictor._TILE', 50)
    pixels = picture(120, 152)
    seg = dict(scales=(1.0, 1.5), mirror=True, fuse_at=fuse_at)
    found = predict_tiled(model, pixels, seg=seg)
    want = predict_image(
        model, pixels, outputs=('prob',), windows=WINDOWS, seg=seg
    ).pred_prob.data.amax(0)
    torch.testing.assert_close(found.pred_confidence.data[0], want, rtol=0, atol=1e-5)


def test_one_window_is_the_whole_picture(model) -> None:
    pixels = picture(90, 96)
    found = predict_tiled(model, pixels, outputs=('seg', 'class_maps'))
    whole = predict_image(model, pixels, outputs=('prob',), seg=ONE_VIEW)
    assert torch.equal(found.pred_sem_seg.data, whole.pred_sem_seg.data.byte())
    want = whole.pred_prob.data.amax(0)
    torch.testing.assert_close(found.pred_confidence.data[0], want, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.pred_score, whole.pred_score)


def step_ratio(prob: np.ndarray, boxes: list) -> float:
    """Mean |dp| between the pixels on both sides of windows' borders, to all others."""
    at, inside = [], []
    for axis in (0, 1):
        steps = np.moveaxis(np.abs(np.diff(prob, axis=axis + 1)).mean(0), axis, 0)
        ends = {v for box in boxes for v in box[2 * axis : 2 * axis + 2]}
        on = np.isin(np.arange(len(steps)) + 1, list(ends))
        at.append(steps[on].ravel())
        inside.append(steps[~on].ravel())
    return float(np.concatenate(at).mean() / np.concatenate(inside).mean())


@pytest.mark.parametrize('cell', [10, 23])
def test_no_seams(model, monkeypatch, cell) -> None:
    monkeypatch.setattr('mmwsss.models.prediction.large_predictor.STRIDE', 1)
    pixels = smooth_picture(300, 400, cell)
    ratios = []
    for overlap in (0.25, 0.0):
        windows = dict(size=(96, 96), overlap=overlap)
        found = predict_tiled(model, pixels, outputs=('seg', 'prob'), windows=windows)
        boxes = window_boxes((300, 400), (96, 96), overlap, 8)
        ratios.append(step_ratio(found.prob_maps[1].maps.numpy(), boxes))
    assert ratios[0] <= 1.5
    assert ratios[1] > ratios[0]  # windows side by side do have seams


class LargestTensor(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the values of the largest tensor that is made."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and not func.is_view:
            self.count = max(self.count, out.numel())
        return out


def test_no_map_of_the_size_of_the_picture(model, monkeypatch) -> None:
    """But label and confidence; no floating picture either, whatever the scale."""
    monkeypatch.setattr('mmwsss.models.prediction.large_predictor._TILE', 128)
    monkeypatch.setattr('mmwsss.models.prediction.views._AT_ONCE', dict(cpu=96 * 96))
    pixels = picture(400, 480)
    seg, cam = dict(scales=(1.0, 1.5), mirror=True), dict(scales=(1.0,), mirror=False)
    outputs = ('seg', 'prob', 'class_maps')
    with LargestTensor() as largest:
        found = predict_tiled(model, pixels, outputs=outputs, seg=seg, cam=cam)
    assert found.pred_confidence.data.shape == (1, 400, 480)
    assert largest.count <= 400 * 480
    assert found.prob_maps[4].maps.shape == (7, 100, 120)
    assert found.class_maps[4].maps.shape[1:] == (100, 120)
    assert 'seg_logits' not in found and 'pred_prob' not in found


def test_class_maps_are_those_of_a_prediction_on_that_grid(model) -> None:
    pixels = picture(120, 136)
    settings = dict(windows=WINDOWS, outputs=('class_maps',))
    found = predict_tiled(model, pixels, **settings)
    cam = dict(strides=(4,), fuse_at='label')
    want = predict_image(model, pixels, **settings, cam=cam)
    torch.testing.assert_close(found.class_maps[4].maps, want.class_maps[4].maps)
    assert torch.equal(found.class_maps[4].ids, want.class_maps[4].ids)


def test_post_processed_in_tiles(model, monkeypatch) -> None:
    """One tile is the whole; several are nearly the same, inside and at their rims."""
    pixels, refiner = picture(120, 152), dict(type='PAR', num_iters=3)
    whole = predict_image(
        model, pixels, outputs=('prob',), windows=WINDOWS, seg=ONE_VIEW,
        post_processor=refiner,
    )  # fmt: skip
    name = 'mmwsss.models.prediction.large_predictor.{}'.format
    one = predict_tiled(model, pixels, post_processor=refiner)
    assert torch.equal(one.pred_sem_seg.data, whole.pred_sem_seg.data.byte())
    monkeypatch.setattr(name('_REFINED_TILE'), 64)
    monkeypatch.setattr(name('_MARGIN'), 40)
    tiled = predict_tiled(model, pixels, post_processor=refiner)
    same = tiled.pred_sem_seg.data == whole.pred_sem_seg.data
    assert same.float().mean() > 0.98


def test_what_there_is_not(model) -> None:
    with pytest.raises(UserError, match="got \\['pseudo'\\]"):
        predict_tiled(model, picture(100, 100), outputs=('seg', 'pseudo'))
    with pytest.raises(UserError, match='or the post-processor'):
        predict_tiled(
            model, picture(100, 100), outputs=('prob',), post_processor=dict(type='PAR')
        )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_as_on_the_cpu(model) -> None:
    pixels = picture(700, 900)
    on_cpu = predict_tiled(model, pixels, outputs=('seg', 'prob', 'class_maps'))
    network = init_model(CONFIG, CHECKPOINT, 'cuda')
    on_gpu = predict_tiled(network, pixels, outputs=('seg', 'prob', 'class_maps'))
    one, other = (s.pred_confidence.data for s in (on_gpu, on_cpu))
    torch.testing.assert_close(one, other, rtol=0, atol=2e-3)
    assert on_gpu.pred_sem_seg.data.device.type == 'cpu'
    same = on_gpu.pred_sem_seg.data == on_cpu.pred_sem_seg.data
    assert same.float().mean() > 0.999
