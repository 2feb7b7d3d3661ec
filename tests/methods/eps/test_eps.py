# Licensed under Apache-2.0.
"""EPS and its baseline through the shared tester, and what only they have."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.registry import MODELS
from mmwsss.testing import (
    CAMMethodTester,
    build,
    gradients,
    predict_batch,
    step,
    total,
    train_batch,
)
from mmwsss.testing.predictions import class_maps
from tests.helpers import ROOT

TINY = 'configs/eps/eps_wr38-t_shapes.py'
PLAIN = 'configs/eps/cls_wr38-t_shapes.py'


class TestEPS(CAMMethodTester):
    """Explicit pseudo-pixel supervision."""

    config = TINY
    encoded = ((2, 3, 96, 96),)
    refused = (
        (
            dict(cam_head=dict(type='CAMHead', in_channels=192)),
            'needs 7 CAM channels.*gives 6: set background=True',
        ),
    )

    def test_a_missing_map_is_named(self, model) -> None:
        data = train_batch(model)
        del data['data_samples'][1].saliency
        with pytest.raises(ValueError, match=r'1\.jpg has no side input .saliency'):
            model.loss(**data)

    def test_only_the_saliency_loss_reads_maps(self) -> None:
        model = build(TINY, weights=dict(cls=1.0, sal=0.0))
        data = train_batch(model)
        for sample in data['data_samples']:
            del sample.saliency
        assert set(model.loss(**data)) == {'loss_cls'}

    def test_background_gets_its_gradient_from_saliency_alone(self) -> None:
        name, off = 'cam_head.classifier.weight', dict(cls=0.0, sal=0.0)
        rows = {
            term: gradients(model, total(step(model, 0)))[name].abs().sum((1, 2, 3))
            for term in ('cls', 'sal')
            for model in [build(TINY, weights=off | {term: 1.0})]
        }
        assert rows['cls'][-1] == 0 and (rows['cls'][:-1] > 0).all()
        assert (rows['sal'] > 0).all()

    def test_maps_are_probabilities(self, model) -> None:
        """A softmax over classes and background, at the network's resolution."""
        features = model.eval().encode(torch.randn(2, 3, 64, 64))
        (maps,) = model.view_maps(features, None)
        (logits,) = model.cam_logits(features)
        assert maps.background == 'last'
        assert logits.shape[1] == model.num_classes == maps.maps.shape[1]
        torch.testing.assert_close(maps.maps.sum(1), torch.ones(2, 8, 8))


class TestPlainClassifier:
    """What EPS is compared with: the base class with this backbone."""

    def test_dropout_is_in_training_only(self) -> None:
        model = build(PLAIN)
        maps = (torch.ones(1, 192, 4, 4),)
        one, two = (model.cam_head.train()(maps) for _ in range(2))
        assert not torch.equal(one, two)
        assert torch.equal(*(model.cam_head.eval()(maps) for _ in range(2)))
        dense = model.cam_head.train().cam(maps)
        assert torch.equal(dense, model.cam_head.cam(maps)) and dense.min() >= 0

    def test_step_and_maps(self) -> None:
        model = build(PLAIN)
        losses = step(model, 0)
        assert set(losses) == {'loss_cls'}
        grads = gradients(model, total(losses))
        assert all(g.isfinite().all() for g in grads.values())
        maps = class_maps(model.eval(), predict_batch(model), cam_filter='gt')
        assert all(one[1].maps.max() > 0.99 for one in maps)


@pytest.mark.parametrize('name', ['eps_wr38_voc', 'eps_wr38_coco', 'cls_wr38_voc'])
def test_full_size_configs_build(name: str) -> None:
    """The published network: sizes, frozen parts, dropout."""
    init_default_scope('mmwsss')
    cfg = Config.fromfile(ROOT / f'configs/eps/{name}.py')
    assert cfg.model.backbone.pretrained.endswith('.params')
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    classes = 81 if 'coco' in name else 21
    background = name.startswith('eps')
    head = 4096 * (classes - 1 + background)
    every = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert every == 105_156_928 - 21 * 4096 + head
    assert trained == 104_288_256 - 21 * 4096 + head
    if background:
        setting = model.losses['sal'].overlap_thr, model.losses['sal'].fg_weight
        assert setting == (0.4, 0.9 if classes == 81 else 0.5)
