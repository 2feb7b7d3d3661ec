# Licensed under Apache-2.0.
"""Self-training of a method whose class maps are gradients."""

from __future__ import annotations

import copy

import pytest
import torch

from mmwsss.io.errors import UserError
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.registry import MODELS
from mmwsss.structures import ClassMaps
from mmwsss.testing import gradients, step
from mmwsss.testing.predictions import class_maps
from tests.helpers.self_training import CAM, base_cfg, batch_of_whole_images


@MODELS.register_module(force=True)
class GradientMaps(WeakSegmentor):
    """A CAM network whose class maps are gradients, scaled by what a data set says."""

    MAPS_NEED_GRAD = True
    factor = 1.0

    def use_metainfo(self, metainfo) -> None:
        super().use_metainfo(metainfo)
        self.factor = metainfo['factor']

    def view_maps(self, features, labels):
        final = features.maps[-1]
        scores = labels.gather(self.image_scores(features)).sum(0)
        grads = [torch.autograd.grad(s, final, retain_graph=True)[0] for s in scores]
        maps = torch.stack([(g * final).sum(1) for g in grads], 1)
        return (ClassMaps((self.factor - maps.detach()).relu(), labels=labels),)


def gradient_cfg(**settings) -> dict:
    return base_cfg(CAM) | dict(type='GradientMaps', aux_cam_head=None) | settings


def test_a_base_whose_maps_are_gradients(tmp_path) -> None:
    """The frozen teacher makes them, and is told of the data set as the student is."""
    torch.manual_seed(0)
    base = MODELS.build(gradient_cfg())
    base.init_weights()
    torch.save(dict(state_dict=base.state_dict()), tmp_path / 'base.pth')
    model = MODELS.build(
        dict(
            type='MultiScaleSelfTraining',
            segmentor=gradient_cfg(),
            checkpoint=str(tmp_path / 'base.pth'),
            losses=dict(mac=dict(type='AttentionConsistency', kind='relu')),
            self_training=dict(scales=(1.0, 1.5)),
            data_preprocessor=dict(zero_padding=('img',)),
        )
    )
    model.use_metainfo(dict(factor=2.0))  # before there is a teacher
    model.init_weights()
    assert model.base.network.factor == model.segmentor.factor == 2.0
    base.use_metainfo(dict(factor=2.0))
    data = batch_of_whole_images(model)
    labels = model.image_labels(data['data_samples'], 'cpu')
    online = model.fused_attention(data['inputs'], data['data_samples'], labels, None)
    assert online.any() and not online.requires_grad
    cam = dict(scales=(1.0, 1.5), add_one=False)
    made = class_maps(base.eval(), copy.deepcopy(data), cam_filter='gt', cam=cam)
    for maps, one, ids in zip(online, made, labels.ids, strict=True):
        torch.testing.assert_close(maps[ids > 0], one[1].maps, rtol=1e-5, atol=1e-5)
    loss = step(model, 0)['loss_mac']
    assert set(gradients(model, loss)) and torch.isfinite(loss)


def test_nothing_to_draw_to_the_target_is_refused() -> None:
    cfg = gradient_cfg(cam_head=None, losses={}, train_cfg={})
    with pytest.raises(UserError, match='GradientMaps has no cam_head.*dense_logits'):
        MODELS.build(dict(type='MultiScaleSelfTraining', segmentor=cfg))
