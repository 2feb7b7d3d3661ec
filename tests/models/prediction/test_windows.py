# Licensed under Apache-2.0.
"""Large pictures in windows: without seams, and the same as a plain loop."""

from __future__ import annotations

import pytest
import torch
from mmseg.structures import SegDataSample

from mmwsss.io.errors import UserError
from mmwsss.models.prediction.inference_cfg import InferenceCfg, WindowCfg
from mmwsss.models.prediction.windows import (
    blend_windows,
    window_boxes,
    window_weight,
)
from tests.helpers.generation import CONFIGS
from tests.helpers.methods import build

SIZES = [(50, 70), (32, 32), (33, 200), (20, 90), (96, 32)]


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('step', [1, 8])
def test_windows_cover_the_picture(size, step) -> None:
    boxes = window_boxes(size, (32, 32), 0.25, step)
    covered = torch.zeros(size)
    for y0, y1, x0, x1 in boxes:
        assert y0 % step == 0 and x0 % step == 0 and y1 <= size[0] and x1 <= size[1]
        assert (y1 - y0, x1 - x0) == tuple(min(32, side) for side in size)
        covered[y0:y1, x0:x1] += 1
    ends = [side if side <= 32 else 32 + (side - 32) // step * step for side in size]
    assert covered[: ends[0], : ends[1]].min() >= 1
    assert all(side - end < step for side, end in zip(size, ends))


def test_neighbours_share_what_they_should() -> None:
    boxes = window_boxes((32, 500), (32, 64), 0.25, 8)
    begins = [box[2] for box in boxes]
    gaps = {b - a for a, b in zip(begins, begins[1:])}
    assert max(gaps) <= 48 and min(gaps) > 0 and begins[-1] == 432


def test_blended_equals_a_plain_loop() -> None:
    torch.manual_seed(0)
    boxes = window_boxes((64, 104), (32, 48), 0.3, 8)
    maps = [torch.randn(2, 3, 4, 6) for _ in boxes]
    total, weights = torch.zeros(2, 3, 8, 13).double(), torch.zeros(8, 13).double()
    for (y0, _, x0, _), one in zip(boxes, maps):
        for y in range(4):
            for x in range(6):
                weight = window_weight((4, 6), one)[y, x].double()
                at = y0 // 8 + y, x0 // 8 + x
                total[:, :, *at] += weight * one[:, :, y, x].double()
                weights[at] += weight
    blended = blend_windows(zip(boxes, maps), boxes)
    torch.testing.assert_close(blended.double(), total / weights, rtol=1e-5, atol=1e-5)


def test_windows_of_one_map_give_that_map() -> None:
    whole = torch.randn(1, 2, 10, 16)
    boxes = window_boxes((80, 128), (32, 32), 0.5, 8)
    parts = [
        (b, whole[..., b[0] // 8 : b[1] // 8, b[2] // 8 : b[3] // 8]) for b in boxes
    ]
    torch.testing.assert_close(blend_windows(parts, boxes), whole)


def test_a_window_that_does_not_fit_the_network() -> None:
    boxes = window_boxes((80, 128), (36, 36), 0.5, 1)
    with pytest.raises(UserError, match='multiple of the network'):
        blend_windows(((b, torch.zeros(1, 1, 5, 5)) for b in boxes), boxes)


def test_settings() -> None:
    assert not WindowCfg().wanted((9999, 9999))
    assert WindowCfg(size=(32, 32), from_pixels=100).wanted((10, 10))
    assert not WindowCfg(size=(32, 32), from_pixels=101).wanted((10, 10))
    for bad in (dict(size=(0, 3)), dict(overlap=1.0), dict(from_pixels=-1)):
        with pytest.raises(ValueError, match='windows'):
            InferenceCfg.of(dict(windows=bad))


OUTPUTS = ('seg', 'prob', 'cam', 'aux_cam', 'pseudo', 'class_maps')


@pytest.fixture(scope='module')
def model():
    return build(CONFIGS['toco']).eval()


def predict(model, images, **overrides):
    samples = [SegDataSample(metainfo=dict(ori_shape=images.shape[-2:]))]
    samples[0].gt_labels = torch.tensor([1, 3])
    settings = dict(outputs=OUTPUTS, cam_filter='gt') | overrides
    return model.predict(images, samples, **settings)[0]


def test_one_window_is_the_whole_picture(model) -> None:
    images = torch.randn(1, 3, 60, 83, generator=torch.Generator().manual_seed(1))
    whole = predict(model, images)
    found = predict(model, images, windows=dict(size=(160, 160)))
    for name in ('pred_sem_seg', 'pred_prob', 'pred_pseudo'):
        value, want = (getattr(s, name).data for s in (found, whole))
        assert torch.equal(value, want), name
    for name in ('pred_cam', 'pred_aux_cam'):
        assert torch.equal(getattr(found, name).score, getattr(whole, name).score)
    assert torch.equal(found.pred_score, whole.pred_score)
    assert torch.equal(found.class_maps[1].maps, whole.class_maps[1].maps)


@torch.no_grad()
def test_logits_equal_a_loop_over_windows(model) -> None:
    images = torch.randn(1, 3, 96, 136, generator=torch.Generator().manual_seed(2))
    settings = dict(outputs=('seg',), seg=dict(scales=(1.0,), mirror=False))
    found = predict(model, images, windows=dict(size=(64, 64)), **settings)
    boxes = window_boxes((96, 136), (64, 64), 0.25, 8)
    assert len(boxes) == 6
    total, weights = 0, 0
    for y0, y1, x0, x1 in boxes:
        features = model.encode(images[..., y0:y1, x0:x1])
        logits, place = torch.zeros(1, 7, 12, 17), torch.zeros(12, 17)
        here = slice(y0 // 8, y1 // 8), slice(x0 // 8, x1 // 8)
        weight = window_weight((8, 8), images)
        logits[:, :, *here] = model.seg_logits(features) * weight
        place[here] = weight
        total, weights = total + logits, weights + place
    want = torch.nn.functional.interpolate(
        total / weights, (96, 136), mode='bilinear', align_corners=False
    )[0]
    torch.testing.assert_close(found.seg_logits.data, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('method', ['toco', 'fsr', 'afa', 'cam'])
def test_every_kind_of_network(method) -> None:
    network = build(CONFIGS[method]).eval()
    images = torch.randn(1, 3, 100, 130, generator=torch.Generator().manual_seed(3))
    outputs = ('cam', 'class_maps') + (('seg',) if network.decode_head else ())
    found = predict(
        network, images, outputs=outputs, windows=dict(size=(64, 64)), cam_filter='none'
    )
    assert found.pred_cam.score.shape == (1, 100, 130)
    assert found.pred_cam.score.min() >= 0 and found.pred_cam.score.max() > 0.9
    assert found.class_maps[1].maps.shape == (6, 100, 130)
