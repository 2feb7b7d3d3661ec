# Licensed under Apache-2.0.
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmwsss.apis.app.photo_segmenter import PhotoSegmenter, models_offered
from mmwsss.datasets.shapes.scenes import draw_scene


@pytest.fixture(scope='session')
def segmenter() -> PhotoSegmenter:
    return PhotoSegmenter(models_offered(), 'cpu')


@pytest.fixture(scope='session')
def photo(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp('photos') / 'scene.png'
    Image.fromarray(np.asarray(draw_scene(0, 0).image)).save(path)
    return str(path)


@pytest.fixture(scope='session')
def done(segmenter, photo):
    return segmenter('toco_vit-t_shapes', photo)
