# Licensed under Apache-2.0.
"""README's first picture: the zoo's network on the photos of scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.errors import UserError
from tests.helpers import ROOT
from tests.helpers.drawn_shapes import draw_shapes

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
    with pytest.raises(
        UserError, match='cat is no model of the zoo; these have: .*toco_vit-t_shap'
    ):
        script.main(['--model', 'cat'])


def test_weights_of_ones_own(script, tmp_path) -> None:
    [weights] = (ROOT / 'zoo').glob('toco_vit-t_shapes-*.pth')
    script.main(
        ['--model', 'toco_vit-t_shapes', '--checkpoint', str(weights)]
        + ['--out', str(tmp_path / 'a.png')]
    )
    with Image.open(tmp_path / 'a.png') as picture:
        assert picture.width > 3 * 160


def test_the_picture_of_the_field(load_tool, tmp_path) -> None:
    """A row for each picture: image, two CAMs, label, prediction, truth."""
    data = draw_shapes(tmp_path / 'shapes', train=1, val=1, test=6)
    out = tmp_path / 'field.png'
    load_tool(ROOT / 'demo' / 'field_picture.py').main(
        ['--data', str(data), '--num-images', '1', '--out', str(out)]
    )
    with Image.open(out) as picture:
        assert picture.width > 6 * 160 and 160 < picture.height < 2 * 160
