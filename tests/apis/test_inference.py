# Licensed under Apache-2.0.
"""Prediction of photos by mmseg's own models, post-processed or not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.structures import SegDataSample
from PIL import Image

from mmwsss.apis.compare import comparison_panel
from mmwsss.models.segmentors.post_processed import PostProcessed
from mmwsss.pipeline.inference import init_model, predict_image
from mmwsss.pipeline.prediction_cost import LargePictures
from tests.helpers.methods import ROOT, pictures
from tests.models.segmentors.test_post_processed import stock


@pytest.fixture
def config():
    cfg = stock()
    cfg.decode_head.init_cfg = None
    yield Config(dict(default_scope='mmseg', model=cfg))
    init_default_scope('mmwsss')


@pytest.fixture
def photo() -> np.ndarray:
    return pictures(1, (40, 50))[0].permute(1, 2, 0).numpy()


def test_a_stock_model_gets_its_channel_order(config, photo) -> None:
    """RGB in; what the network sees is what mmseg's pipeline would give it."""
    torch.manual_seed(0)
    model = init_model(config)
    got = predict_image(model, photo)
    bgr = torch.from_numpy(photo[..., ::-1].copy()).permute(2, 0, 1)
    sample = SegDataSample(metainfo=dict(ori_shape=(40, 50), img_shape=(40, 50)))
    (want,) = model.test_step(dict(inputs=[bgr], data_samples=[sample]))
    assert torch.equal(got.seg_logits.data, want.seg_logits.data)


def test_post_processor(config, photo, tmp_path) -> None:
    torch.manual_seed(0)
    plain = init_model(config)
    torch.save(dict(state_dict=plain.state_dict()), tmp_path / 'a.pth')
    before = config.pretty_text
    refined = init_model(config, str(tmp_path / 'a.pth'), post_processor='crf:psa')
    assert isinstance(refined, PostProcessed)
    assert config.pretty_text == before
    one, other = predict_image(plain, photo), predict_image(refined, photo)
    assert torch.equal(one.seg_logits.data, other.seg_logits.data)
    prob = one.seg_logits.data.softmax(0)[None]
    pixels = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float()
    want = refined.post_processor(pixels, prob).argmax(1)
    assert torch.equal(other.pred_sem_seg.data, want)


def test_post_processor_of_our_own(photo) -> None:
    torch.manual_seed(0)
    config = ROOT / 'configs/toco/toco_vit-t_shapes.py'
    model = init_model(config, post_processor='crf')
    assert model.test_cfg['post_processor'] == dict(type='mmwsss.DenseCRF')
    overridden = predict_image(model, photo, post_processor=None, outputs=('seg',))
    assert predict_image(model, photo, outputs=('seg',)).pred_sem_seg.data.shape == (
        overridden.pred_sem_seg.data.shape
    )


def test_networks_side_by_side(photo, tmp_path) -> None:
    """A row per network for each picture of several classes, in the list's order."""
    for folder in ('JPEGImages', 'SegmentationClass', 'splits'):
        (tmp_path / folder).mkdir()
    for name in 'abc':
        Image.fromarray(photo).save(tmp_path / f'JPEGImages/{name}.jpg')
        mask = Image.fromarray(np.zeros(photo.shape[:2], np.uint8))
        mask.save(tmp_path / f'SegmentationClass/{name}.png')
    text = 'a dots\nb dots grid\nc dots check\n'
    (tmp_path / 'splits/test.txt').write_text(text)
    model = init_model(ROOT / 'configs/cam/cam_vit-t_shapes.py')
    model.dataset_meta = dict(classes=[str(i) for i in range(model.num_classes)])
    heights = [
        comparison_panel(dict.fromkeys(titles, model), tmp_path, count).shape[0]
        for titles, count in (('x', 1), ('xy', 1), ('x', 9))
    ]
    row = heights[1] - heights[0]
    assert row >= 160 and heights[2] - heights[0] == row


def test_very_large_pictures(photo, monkeypatch) -> None:
    """Windows are chosen and said; no map of the picture's size is made of one."""
    view = dict(scales=(1.0,), mirror=False)
    windows = dict(windows=dict(size=(32, 32)), seg=view, cam=view)
    monkeypatch.setattr(LargePictures, 'overrides', lambda *_: windows)
    model = init_model(ROOT / 'configs/toco/toco_vit-t_shapes.py')
    photo = photo.copy()
    full = predict_image(model, photo)
    assert full.pred_pseudo.data.shape == (1, 40, 50)
    monkeypatch.setattr('mmwsss.pipeline.large_prediction.MAPS_AT_MOST', 1000)
    said: list[str] = []
    monkeypatch.setattr(
        'mmwsss.pipeline.inference.print_log', lambda text, *_: said.append(text)
    )
    found = predict_image(model, photo)
    assert len(said) == 1 and 'class maps at stride 4' in said[0]
    assert torch.equal(found.pred_sem_seg.data.long(), full.pred_sem_seg.data)
    assert 'seg_logits' not in found and set(found.class_maps) == {4}
    asked = predict_image(model, photo, outputs=('seg', 'cam'))
    assert asked.pred_cam.score.shape == (1, 40, 50)
