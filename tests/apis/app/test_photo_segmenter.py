# Licensed under Apache-2.0.
"""Models by name, and what is said where one or a photo is amiss."""

from __future__ import annotations

import numpy as np
import pytest

from mmwsss.apis import WSSSInferencer
from mmwsss.apis.app.photo_segmenter import PhotoSegmenter, models_offered, shrunk
from mmwsss.io.data_errors import DataError
from mmwsss.io.errors import UserError
from tests.helpers.drawn_shapes import CHECKPOINT, CONFIG

ZOO = 'toco_vit-t_shapes'


def test_it_is_the_inferencers_prediction(done, photo) -> None:
    inferencer = WSSSInferencer(ZOO, device='cpu')
    (want,) = inferencer(photo, outputs=('cam',))['predictions']
    np.testing.assert_array_equal(done.found.mask, want.mask)
    np.testing.assert_allclose(done.found.confidence, want.confidence, atol=1e-6)
    np.testing.assert_allclose(done.found.cam.maps, want.cam.maps, atol=1e-6)
    assert (done.found.name, done.model) == ('scene', ZOO)


def test_a_model_of_ones_own_stands_first() -> None:
    offered = models_offered(CONFIG, CHECKPOINT)
    assert list(offered)[0] == f'{ZOO} (yours)'
    assert offered[ZOO] == (ZOO, None)
    first, *_, last = models_offered()
    assert first == 'deeplabv3_deit-t_animals-pseudo' and last == ZOO
    own = PhotoSegmenter(offered, 'cpu').classes(f'{ZOO} (yours)')
    assert own == ['stripes', 'dots', 'check', 'rings', 'zigzag', 'grid']


def test_one_model_is_held(segmenter) -> None:
    models = {'a': segmenter.models[ZOO], 'b': (CONFIG, CHECKPOINT)}
    two = PhotoSegmenter(models, 'cpu')
    first = two.inferencer('a')
    assert two.inferencer('a') is first
    two.inferencer('b')
    assert two.inferencer('a') is not first


def test_what_is_refused(segmenter, tmp_path) -> None:
    with pytest.raises(UserError, match='give both'):
        models_offered(CONFIG, None)
    with pytest.raises(UserError, match='no model of the zoo has weights here'):
        PhotoSegmenter(models_offered(root=tmp_path))
    with pytest.raises(UserError, match="no model 'other'"):
        segmenter.classes('other')
    (tmp_path / 'a.jpg').write_bytes(b'\xff\xd8')
    with pytest.raises(DataError, match=r'a\.jpg cannot be read'):
        segmenter(ZOO, str(tmp_path / 'a.jpg'))


@pytest.mark.parametrize(
    ('size', 'want'),
    [((300, 400), (300, 400)), ((1500, 3000), (512, 1024)), ((1, 4096), (1, 1024))],
)
def test_large_photos_are_shown_smaller(size, want) -> None:
    assert shrunk(np.zeros((*size, 3), np.uint8)).shape == (*want, 3)
