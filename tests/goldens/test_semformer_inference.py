# Licensed under Apache-2.0.
"""SemFormer's CAMs over scales against the reference, from the 8-bit image on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmseg.structures import SegDataSample

from mmwsss.cam import with_mirror
from mmwsss.datasets.transforms.pack_weak_inputs import PackWeakInputs
from mmwsss.datasets.transforms.pil_multi_scale import PILMultiScale
from mmwsss.testing.predictions import class_maps
from tests.goldens.semformer_model import near, tiny_semformer

CAM_CFG = dict(pair='sum', normalise='max', fuse_at='label', add_one=False)


def written(scales: np.ndarray) -> list[float]:
    """The numbers that were stored as float32: 0.7, not 0.699999988."""
    return [float(str(scale)) for scale in scales]


@pytest.fixture
def case(golden):
    """The file, the model and its inputs as the loader makes them."""
    g = golden('semformer_infer_multiscale')
    scales = written(g['scales'])
    cam = CAM_CFG | dict(scales=scales, multiple=int(g['strides'][1]))
    model = tiny_semformer(
        g,
        blocks=int(g['attn_blocks']),
        test_cfg=dict(cam_filter='gt', cam=cam),
    ).eval()
    patch = model.backbone.patch_embed.projection.stride[0]
    labels = tuple(map(int, np.flatnonzero(g['label'])))
    results = dict(
        img=g['image'],
        ori_shape=g['image'].shape[:2],
        gt_labels=labels,
        num_foreground=model.num_foreground,
    )
    packed = PackWeakInputs()(PILMultiScale(scales, rounding=patch)(results))
    data = dict(
        inputs={k: [v] for k, v in packed['inputs'].items()},
        data_samples=[packed['data_samples']],
    )
    return g, model, model.data_preprocessor(data, False)


def test_views(case) -> None:
    g, model, data = case
    for i, scale in enumerate(written(g['scales'])):
        view = data['inputs'][f'scale_{scale:g}']
        near(view, g[f'input_s{i}'])
        with torch.no_grad():
            features = model.encode(with_mirror(view))
        near(model.cam_head.activation(features.maps), g[f'logits_s{i}'])
        plain, mirrored = model.view_maps(features, None)[0].maps
        near(torch.stack([plain, mirrored.flip(-1)]), g[f'cam_s{i}'])


def test_class_maps(case) -> None:
    g, model, data = case
    stride = int(g['strides'][0])
    (maps,) = class_maps(model, data, strides=(stride, 1))
    ids = g['keys'][1:]
    np.testing.assert_array_equal(maps[1].ids, ids)
    near(maps[stride].maps, g['cam'])
    near(maps[1].maps, g['hr_cam'])


def test_predicted_cam(case) -> None:
    """Score and class of each pixel, as the metric reads them."""
    g, model, data = case
    (one,) = model.predict(**data, outputs=('cam',))
    near(one.pred_cam.score, g['hr_cam'].max(0))
    strongest = g['keys'][1:][g['hr_cam'].argmax(0)]
    best, second = np.sort(np.append(g['hr_cam'], g['hr_cam'][:1] * 0, 0), 0)[[-1, -2]]
    clear = best - second > 1e-4  # elsewhere rounding decides
    assert clear.any()
    np.testing.assert_array_equal(one.pred_cam.label[0][clear], strongest[clear])
    assert isinstance(one, SegDataSample)


def test_better_geometry(case) -> None:
    """Straight to the label's size: other maps, equal where nothing is cut."""
    g, model, data = case
    (cut,) = class_maps(model, data)
    (straight,) = class_maps(model, data, cam=dict(multiple=1))
    assert straight[1].maps.shape == cut[1].maps.shape
    whole = not any(side % int(g['strides'][1]) for side in g['image'].shape[:2])
    assert torch.allclose(straight[1].maps, cut[1].maps, atol=1e-3) == whole
