# Licensed under Apache-2.0.
from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.cam.fusion import NORMALISE
from mmwsss.io.errors import UserError
from mmwsss.pipeline.inference import predict_image
from mmwsss.pipeline.photos import Photo
from mmwsss.pipeline.suggest.suggest_thresholds import (
    RawMaps,
    look_at_maps,
    stride_of,
)
from mmwsss.testing import build

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)


@pytest.fixture(scope='module')
def model():
    return build('configs/toco/toco_vit-t_shapes.py').eval()


def test_the_scales_add_up_to_what_labels_see(model) -> None:
    maps = RawMaps(model, full=True)
    found = maps(Photo('one', 'one.png'), PIXELS)
    assert set(found) == {0.5, 1.0, 1.5}
    made = NORMALISE[maps.normalise](maps.fused(found, 1)[None])[0]
    wanted = predict_image(
        model,
        PIXELS,
        outputs=('class_maps',),
        cam_filter='none',
        cam=dict(strides=(1,)),
    )
    torch.testing.assert_close(made, wanted.class_maps[1].maps)


def test_each_scale_is_encoded_once(model, monkeypatch) -> None:
    seen = []
    encode = model.encode
    monkeypatch.setattr(
        model, 'encode', lambda images: seen.append(images.shape[-2:]) or encode(images)
    )
    RawMaps(model, full=False)(Photo('one', 'one.png'), PIXELS)
    assert sorted(map(tuple, seen)) == [(32, 40), (64, 80), (96, 120)]


def test_a_bounded_number_of_points() -> None:
    assert [stride_of((side, 40)) for side in (96, 255, 256, 320, 4000)] == [
        *(1, 1, 2, 2, 31)
    ]


def test_pictures_without_labels_are_refused(model) -> None:
    unknown, negative = Photo('a', 'a.png'), Photo('b', 'b.png', labels=())
    with pytest.raises(UserError, match='none of the 2 pictures is labelled'):
        look_at_maps(model, [unknown, negative])
