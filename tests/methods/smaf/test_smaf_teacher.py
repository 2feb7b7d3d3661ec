# Licensed under Apache-2.0.
"""The frozen base: its fused CAMs, and the target that is made of them."""

from __future__ import annotations

import copy

import pytest
import torch
from mmengine.structures import PixelData

from mmwsss.io.score_files import load_scores, save_scores
from mmwsss.methods.smaf.reactivation import attention_target
from mmwsss.structures import ImageLabels, valid_boxes
from mmwsss.testing import SIZE, step, train_batch
from mmwsss.testing.predictions import class_maps
from tests.helpers.self_training import (
    CAM,
    TOCO,
    base_model,
    batch_of_whole_images,
    wrapped,
)


@pytest.mark.parametrize('config', (CAM, TOCO, 'eps'))
@pytest.mark.parametrize('scales', [(0.5, 1.0, 1.5, 2.0), (0.5,), (1.0, 2.0)])
def test_teacher_is_the_fused_cam_of_the_base(config: str, scales, tmp_path) -> None:
    """Online and precomputed maps agree where the geometry is the identity."""
    model = wrapped(config, tmp_path, self_training=dict(scales=scales))
    data = batch_of_whole_images(model)
    labels = model.image_labels(data['data_samples'], 'cpu')
    online = model.fused_attention(data['inputs'], data['data_samples'], labels, None)
    made = class_maps(
        base_model(config),
        copy.deepcopy(data),
        cam_filter='gt',
        cam=dict(scales=scales, add_one=False),
    )
    for maps, one, ids in zip(online, made, labels.ids, strict=True):
        torch.testing.assert_close(maps[ids > 0], one[1].maps, rtol=1e-5, atol=1e-5)

    given = wrapped(config, tmp_path, self_training=dict(source='fused'))
    assert given.base.network is None
    for one, found in zip(data['data_samples'], made, strict=True):
        path = tmp_path / f'{one.img_id}.npz'
        save_scores(path, found[1].maps.numpy(), found[1].ids.tolist(), (SIZE, SIZE))
        scores = load_scores(path, 'cam', (SIZE, SIZE)).scores
        one.fused = PixelData(data=torch.from_numpy(scores))
    ours, theirs = (
        float(m.eval().loss(**data)['loss_mac'].detach()) for m in (model, given)
    )
    assert ours == pytest.approx(theirs, rel=2e-3)  # half precision on disk


def test_only_the_listed_scales_run(tmp_path, monkeypatch) -> None:
    model = wrapped(CAM, tmp_path, self_training=dict(scales=(0.5,)))
    teacher, seen = model.base.network, []
    encode = teacher.encode
    monkeypatch.setattr(
        teacher, 'encode', lambda x: seen.append(tuple(x.shape)) or encode(x)
    )
    step(model, 0)
    assert seen == [(4, 3, SIZE // 2, SIZE // 2)]


def test_padding_is_background(tmp_path) -> None:
    model = wrapped(CAM, tmp_path)
    data = train_batch(model)
    labels = model.image_labels(data['data_samples'], 'cpu')
    box = valid_boxes(data['data_samples'])
    fused = model.fused_attention(data['inputs'], data['data_samples'], labels, box)
    y0, _, _, x1 = box[1].tolist()
    assert (y0, x1) == (8, 80) and not fused[1, :, :y0].any()
    assert not fused[1, :, :, x1:].any() and fused[1, :, y0:, :x1].any()
    target = model.target(fused, labels)
    assert target.shape == (2, 7, SIZE // 4, SIZE // 4)
    assert (target[1, -1, :, -3:] == 1).all()
    assert torch.equal(target.amax(1), torch.ones(2, SIZE // 4, SIZE // 4))


def test_teacher_follows_the_device(tmp_path) -> None:
    model = wrapped(CAM, tmp_path).double()
    assert next(model.base.network.parameters()).dtype == torch.float64
    assert not any(name.startswith('teacher.') for name, _ in model.named_modules())
    other = copy.deepcopy(model)
    assert other.base.network is not model.base.network


@pytest.mark.parametrize('reactivated', [True, False])
def test_reactivation_is_an_option(reactivated: bool, tmp_path) -> None:
    model = wrapped(
        CAM,
        tmp_path,
        self_training=dict(reactivated=reactivated, bkg_thr=0.3, stride=8),
    )
    labels = ImageLabels.from_lists([(0, 3)], 6)
    fused = torch.rand(1, 2, SIZE, SIZE)
    target = model.target(fused, labels)
    assert target.shape[-2:] == (SIZE // 8, SIZE // 8)
    assert not target[:, [1, 2, 4, 5]].any()
    if reactivated:
        assert (target.amax(1) == 1).all()
    else:
        assert (target[:, -1] == 0.3).all()
    full = torch.zeros(1, 6, *target.shape[-2:])
    full[:, [0, 3]] = torch.nn.functional.interpolate(
        fused, target.shape[-2:], mode='bilinear', align_corners=True
    )
    expected = attention_target(full, labels.score, 0.3, reactivated)
    assert torch.equal(target, expected)
