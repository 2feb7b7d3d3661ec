# Licensed under Apache-2.0.
"""EPS's CAMs from an image, and the released evaluation of masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.cam import strongest_class, threshold_label
from mmwsss.datasets.transforms.pack_weak_inputs import to_chw
from mmwsss.datasets.transforms.pil_multi_scale import PILMultiScale
from mmwsss.evaluation.areas import ClassAreas, areas_from_labels
from mmwsss.evaluation.scores import scores_from_areas
from mmwsss.testing.predictions import class_maps
from tests.goldens.eps_model import eps_model, load_public
from tests.goldens.test_eps_network import samples
from tests.goldens.toco_model import close

SCALES = (0.5, 1.0, 1.5, 2.0)
TEST_CFG = dict(
    outputs=('cam',),
    cam_filter='gt',
    cam=dict(scales=SCALES, pair='sum', normalise='max', fuse_at='label'),
)


@pytest.fixture
def data(golden) -> dict:
    """The file, with the weights of the reduced network."""
    weights = golden('eps_resnet38_small')
    return golden('eps_infer') | {k: v for k, v in weights.items() if k[:3] == 'sd/'}


def network(data: dict):
    """The network with the published protocol."""
    state = {k[3:]: v for k, v in data.items() if k.startswith('sd/')}
    model = eps_model(data['widths'], len(state['fc8.weight']), test_cfg=TEST_CFG)
    return load_public(model, state).eval()


def loaded(data: dict) -> dict[str, np.ndarray]:
    """Scale → 8-bit view, made by the loader."""
    views = PILMultiScale(SCALES).transform(dict(img=data['image']))['views']
    assert len(views) == len(SCALES)
    return {f'scale_{scale:g}': views[f'scale_{scale:g}'] for scale in SCALES}


def test_views(data) -> None:
    for i, view in enumerate(loaded(data).values()):
        np.testing.assert_array_equal(view, data[f'scaled_image_{i}'])


def test_logits_of_each_view(data) -> None:
    model = network(data)
    for i, view in enumerate(loaded(data).values()):
        image = model.data_preprocessor.normalise(to_chw(view))[None]
        with torch.no_grad():
            for name, batch in (('orig', image), ('flip', image.flip(-1))):
                (logits,) = model.cam_logits(model.encode(batch))
                close(logits, data[f'logits_{i}_{name}'], 2e-5)


def test_fused_maps_and_mask(data) -> None:
    model = network(data)
    inputs = {name: [to_chw(view)] for name, view in loaded(data).items()}
    size = data['image'].shape[:2]
    one = samples(data['label'][None], np.zeros((1, 1, *size), np.float32))[0]
    batch = model.data_preprocessor(dict(inputs=inputs, data_samples=[one]), False)
    maps = class_maps(model, batch, strides=(1, 4))[0]
    np.testing.assert_array_equal(maps[1].ids, data['keys'] + 1)
    close(maps[1].maps, data['cams'])
    assert maps[4].maps.shape[1:] == tuple((n - 1) // 4 + 1 for n in size)
    score, label = strongest_class(maps[1].maps[None], maps[1].ids[None])
    mask = threshold_label(score, label, float(data['thr']))
    np.testing.assert_array_equal(mask[0], data['pred'])


def test_evaluation(golden) -> None:
    data = golden('eps_eval')
    classes = len(data['hist'])
    total = ClassAreas.zeros(classes)
    for i in range(sum(k.startswith('pred_') for k in data)):
        truth, mask = (torch.from_numpy(data[f'{k}_{i}']) for k in ('gt', 'pred'))
        total += areas_from_labels(truth.long(), mask.long(), classes)
    np.testing.assert_array_equal(total.correct, np.diag(data['hist']))
    np.testing.assert_array_equal(total.truth, data['hist'].sum(1))
    np.testing.assert_array_equal(total.predicted, data['hist'].sum(0))
    scores = scores_from_areas(total)
    for name in ('iou', 'precision', 'recall'):
        np.testing.assert_allclose(getattr(scores, name), data[name], rtol=1e-6)
    for ours, name in (
        (scores.mean('iou', 'all'), 'miou'),
        (scores.pixel_acc, 'acc'),
        (scores.freq_iou, 'fwavacc'),
    ):
        assert ours == pytest.approx(float(data[name]), rel=1e-6), name
