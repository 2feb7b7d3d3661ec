# Licensed under Apache-2.0.
"""Photos larger than those that a network has learnt from are shrunk for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch.nn.functional import interpolate

from mmwsss.apis import WSSSInferencer, init_model, predict_image
from mmwsss.io.errors import UserError
from mmwsss.pipeline import large_prediction, usual_size
from mmwsss.pipeline.usual_size import shrunk_size, shrunk_to, side_for, usual_side
from tests.helpers import ROOT

TOCO = 'toco_deit-t_animals'
STOCK = 'deeplabv3_deit-t_animals-pseudo'


@pytest.fixture(scope='module')
def photo():
    """A photo of (500, 400), noise with large spots."""
    rng = np.random.default_rng(0)
    small = torch.from_numpy(rng.integers(0, 256, (1, 3, 10, 8)).astype(np.float32))
    large = interpolate(small, (500, 400), mode='bilinear')[0]
    return large.permute(1, 2, 0).round().byte().numpy()


@pytest.fixture(scope='module')
def toco():
    return WSSSInferencer(TOCO, device='cpu').model


@pytest.fixture(scope='module')
def stock():
    return WSSSInferencer(STOCK, device='cpu').model


def test_what_a_config_says() -> None:
    assert usual_side(None) is None
    data = dict(type='VOCAnimalsDataset')
    assert usual_side(Config(dict(train_dataloader=dict(dataset=data)))) == 320
    resize = dict(type='PILResizeLongSide', side_range=(256, 256))
    data = dict(type='VOCAnimalsDataset', pipeline=[resize])
    assert usual_side(Config(dict(test_dataloader=dict(dataset=data)))) == 256
    random = dict(resize, side_range=(256, 320))
    own = dict(type='FolderWeakDataset', pipeline=[random])
    assert usual_side(Config(dict(test_dataloader=dict(dataset=own)))) is None
    own['metainfo'] = dict(long_side=200)
    assert usual_side(Config(dict(test_dataloader=dict(dataset=own)))) == 200


def test_what_a_user_says_counts_first(toco) -> None:
    assert side_for(toco, {}) == side_for(toco, dict(cam_filter='none')) == 320
    for asked in (dict(long_side=None), dict(long_side=100), dict(squash=(64, 64))):
        assert side_for(toco, dict(input=asked)) is None
    assert side_for(toco, dict(windows=dict(size=(224, 224)))) is None
    shapes = init_model(ROOT / 'configs/toco/toco_vit-t_shapes.py')
    assert side_for(shapes, {}) is None


def test_sizes(photo) -> None:
    assert shrunk_size((500, 400), 320) == (320, 256)
    assert shrunk_size((3, 900), 300) == (1, 300)
    assert shrunk_to(photo, 320).shape == (320, 256, 3)
    assert shrunk_to(photo, 500) is photo and shrunk_to(photo, None) is photo
    bands = np.zeros((40, 20, 5), np.uint8)
    assert shrunk_to(bands, 20).shape == (20, 10, 5)


@pytest.mark.parametrize('name', ['toco', 'stock'])
def test_the_network_sees_the_smaller_photo(name, photo, request, monkeypatch) -> None:
    model = request.getfixturevalue(name)
    model.__dict__.pop('_said_shrunk', None)
    said: list[str] = []
    monkeypatch.setattr(usual_size, 'print_log', lambda text, *_: said.append(text))
    small = shrunk_to(photo, 320)
    found = predict_image(model, photo)
    want = predict_image(model, small)
    assert found.seg_logits.shape[-2:] == (500, 400)
    for sample in (found, want):
        assert torch.isfinite(sample.seg_logits.data).all()
    back = interpolate(found.seg_logits.data[None], want.seg_logits.shape[-2:],
                       mode='bilinear')[0]  # fmt: skip
    assert (back.argmax(0) == want.seg_logits.data.argmax(0)).float().mean() > 0.97
    (mask,) = (one.mask for one in WSSSInferencer(model)(photo)['predictions'])
    np.testing.assert_array_equal(mask, found.pred_sem_seg.data[0])
    (line,) = said  # once
    assert 'shrunk to a long side of 320 pixels' in line


def test_segmentors_of_mmseg_take_a_side(stock, photo) -> None:
    def mask(**entry):
        inferencer = WSSSInferencer(stock, test_cfg=dict(input=entry))
        return inferencer(photo)['predictions'][0].mask

    usual = WSSSInferencer(stock)(photo)['predictions'][0].mask
    np.testing.assert_array_equal(mask(long_side=320), usual)
    assert mask(long_side=None).shape == usual.shape
    assert (mask(long_side=None) != usual).any()
    with pytest.raises(UserError, match='takes input.long_side alone, got .*cam_fil'):
        WSSSInferencer(stock, test_cfg=dict(cam_filter='none'))(photo)


def test_a_photo_without_room_for_its_maps(toco, photo, monkeypatch) -> None:
    want = predict_image(toco, photo, outputs=('seg',)).pred_sem_seg.data
    monkeypatch.setattr(large_prediction, 'MAPS_AT_MOST', 7 * 4 * 499 * 400)
    found = predict_image(toco, photo).pred_sem_seg.data
    assert found.shape == want.shape and (found == want).float().mean() > 0.999
    (one,) = WSSSInferencer(toco)(photo, outputs=('cam',))['predictions']
    assert one.stride == 4 and (one.mask == want[0].numpy()).mean() > 0.999
