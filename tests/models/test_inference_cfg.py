# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.models.prediction.inference_cfg import InferenceCfg
from mmwsss.registry import MODELS
from tests.helpers import ROOT


@pytest.mark.parametrize(
    'settings,message',
    [
        (dict(outputs=('seg', 'cams')), r"outputs has \['cams'\]; known"),
        (dict(cam_fuse_at='logits'), r"one of \('input', 'label'\), got 'logits'"),
        (dict(cam_normalise='sum'), r"one of \('minmax', 'max'\), got 'sum'"),
        (dict(cam=dict(scales=())), r'cam.scales must hold positive numbers, got \(\)'),
        (dict(cam=dict(scales=(1.0, 0))), r'positive numbers, got \(1.0, 0\)'),
        (dict(map_strides=(0,)), r'positive whole numbers, got \(0,\)'),
        (dict(seg_fuse_at='image'), r"one of \('label', 'logits'\), got 'image'"),
        (dict(squash=(9, 9), resize_long=9), r'squash=\(9, 9\) and resize_long=9: set'),
        (dict(cam_filter='labels'), r"one of \('gt', 'pred', 'none'\), got 'labels'"),
    ],
)
def test_unknown_values(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        InferenceCfg(**settings)


def test_unknown_key() -> None:
    with pytest.raises(ValueError, match=r"has no \['scales'\]; it knows .*cam_"):
        InferenceCfg.of(dict(cam_scales=(1.0,)), scales=(1.0,))


def test_unknown_key_is_refused_before_training() -> None:
    init_default_scope('mmwsss')
    cfg = Config.fromfile(ROOT / 'configs/cam/cam_vit-t_shapes.py').model
    cfg.test_cfg.cam_scale = (1.0,)
    with pytest.raises(ValueError, match=r"test_cfg has no \['cam_scale'\]"):
        MODELS.build(cfg)


@pytest.mark.parametrize(
    'settings,passes',
    [
        (dict(), {1.0: False}),
        (dict(seg_scales=(1.25, 1.5)), {1.0: False, 1.25: False, 1.5: False}),
        (dict(seg_scales=(1.0, 1.5), seg_flip=True), {1.0: True, 1.5: True}),
        (dict(outputs=('cam',), cam_scales=(0.5,)), {1.0: True, 0.5: True}),
        (
            dict(outputs=('cam',), cam_scales=(0.5,), cam_scale_one=False),
            {1.0: False, 0.5: True},
        ),
        (dict(outputs=('cam',), seg_scales=(2.0,)), {1.0: True}),
        # the CAM needs the mirrors, the segmentation doesn't: one pass serves both
        (
            dict(outputs=('seg', 'cam'), seg_scales=(1.0, 2.0), cam_scales=(1, 0.5)),
            {1.0: True, 2.0: False, 0.5: True},
        ),
    ],
)
def test_each_scale_is_run_once(settings, passes) -> None:
    if 'cam_scales' not in settings and 'cam' in settings.get('outputs', ()):
        settings |= dict(cam_scales=(1.0,))
    got = InferenceCfg(**settings).passes()
    assert got == passes and next(iter(got)) == 1.0


@pytest.mark.parametrize(
    'outputs,wants',
    [(('seg',), False), ((), False), (('cam',), True), (('seg', 'pseudo'), True)],
)
def test_wants_cams(outputs, wants) -> None:
    assert InferenceCfg(outputs=outputs).wants_cams == wants
