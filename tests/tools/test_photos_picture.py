# Licensed under Apache-2.0.
"""README's first picture: the zoo's network on the photos of scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.errors import UserError
from tests.helpers.training import ROOT

skimage = pytest.importorskip('skimage')


@pytest.fixture
def script(load_tool):
    return load_tool(ROOT / 'demo' / 'photos_picture.py')


def test_two_photos_of_320_pixels(script) -> None:
    found = script.photos()
    assert [max(photo.shape) for photo in found.values()] == [320, 320]
    assert all(photo.dtype == np.uint8 for photo in found.values())


def test_a_picture_from_the_zoo(script, tmp_path) -> None:
    script.main(['--model', 'toco_vit-t_shapes', '--out', str(tmp_path / 'a.png')])
    with Image.open(tmp_path / 'a.png') as picture:
        assert picture.width > 3 * 160 and picture.height > 2 * 160


def test_unknown_model(script) -> None:
    with pytest.raises(UserError, match='the zoo has no cat; it has .*toco_vit-t_shap'):
        script.zoo_model('cat')
