# Licensed under Apache-2.0.
"""The base segmentor: the plain CAM through the shared tester, any backbone."""

from __future__ import annotations

import pytest
import torch
from mmengine.registry import init_default_scope

from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.testing import MethodTester, at, begins, build, step, train_batch
from mmwsss.testing.config_files import load_config


class TestCAM(MethodTester):
    """The plain baseline."""

    config = 'configs/cam/cam_vit-t_shapes.py'
    encoded = (
        (2, 3, 96, 96),
        (2, 3, 96, 96),  # mirrored, for the CAM
        (4, 3, 48, 48),  # its two other scales, with mirrors
        (4, 3, 144, 144),
    )

    def test_view1_or_a_single_view(self, model) -> None:
        at(begins(model)[-1])
        data = train_batch(model)
        views = model.loss(**data)
        single = model.loss(data['inputs']['view1'], data['data_samples'])
        assert all(torch.equal(views[k], single[k]) for k in views)

    def test_unknown_inactive(self) -> None:
        with pytest.raises(ValueError, match="'zero_grad' or 'off', got 'none'"):
            build(self.config, inactive='none')


def test_a_schedule_without_an_active_term_is_named() -> None:
    init_default_scope('mmwsss')
    model = WeakSegmentor(
        backbone=dict(type='mmpretrain.ResNet', depth=18, out_indices=(3,)),
        cam_head=dict(type='CAMHead', in_channels=512),
        num_classes=7,
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        losses=dict(cls=dict(type='MultiLabelSoftMargin')),
        train_cfg=dict(weights=dict(cls=[(0, 0.0), (5, 1.0)])),
    )
    with pytest.raises(ValueError, match='no loss term is active at iteration 0'):
        step(model, 0)


def test_a_weight_without_its_term_is_refused() -> None:
    """It would change nothing; so would a term that has no weight yet."""
    cfg = load_config('configs/cam/cam_vit-t_shapes.py')
    cfg.model.losses.ptc = dict(type='PatchTokenContrast')
    cfg.model.train_cfg.weights.ptc = [(0, 0.0), (50, 0.2)]
    model = build(cfg)
    step(model, 49)
    with pytest.raises(
        ValueError, match=r"WeakSegmentor.loss computes no \['ptc'\].* iteration 50"
    ):
        step(model, 50)
    with pytest.raises(ValueError, match=r"loss gave \['ptc'\].*in self.active"):
        at(0)
        model.weigh(dict(cls=torch.ones(()), ptc=torch.ones(())))


def test_any_backbone() -> None:
    """A convolutional network of another package gives CAMs as well."""
    init_default_scope('mmwsss')
    model = WeakSegmentor(
        backbone=dict(type='mmpretrain.ResNet', depth=18, out_indices=(2, 3)),
        cam_head=dict(type='CAMHead', in_channels=512, pooling='avg'),
        num_classes=7,
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        losses=dict(cls=dict(type='MultiLabelSoftMargin')),
        train_cfg=dict(weights=dict(cls=1.0)),
        test_cfg=dict(outputs=('cam',), cam=dict(scales=(1.0,))),
    )
    losses = step(model, 0)
    assert set(losses) == {'loss_cls'} and torch.isfinite(losses['loss_cls'])
    cam = model.eval().predict(torch.randn(1, 3, 64, 64))[0].pred_cam
    assert cam.score.shape == cam.label.shape == (1, 64, 64)
