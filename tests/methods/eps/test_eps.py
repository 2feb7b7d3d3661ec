# Licensed under Apache-2.0.
"""EPS and its baseline through the shared tester, and what only they have."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.methods.eps.saliency_loss import SaliencyLoss, saliency_loss
from mmwsss.registry import MODELS
from tests.cam_method_tester import CAMMethodTester
from tests.helpers.methods import (
    ROOT,
    build,
    gradients,
    predict_batch,
    step,
    total,
    train_batch,
)

TINY = 'configs/eps/eps_wr38-t_shapes.py'
PLAIN = 'configs/eps/cls_wr38-t_shapes.py'


class TestEPS(CAMMethodTester):
    """Explicit pseudo-pixel supervision."""

    config = TINY

    def test_each_image_is_encoded_once(self, model, monkeypatch) -> None:
        sizes, encode = [], model.encode
        monkeypatch.setattr(
            model, 'encode', lambda x: (sizes.append(tuple(x.shape)), encode(x))[1]
        )
        step(model, 0)
        assert sizes == [(2, 3, 96, 96)]

    def test_a_missing_map_is_named(self, model) -> None:
        data = train_batch(model)
        del data['data_samples'][1].saliency
        with pytest.raises(ValueError, match=r'1\.jpg has no saliency map.*sal_dir'):
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
        (maps,) = model.view_cams(features)
        (logits,) = model.cam_logits(features)
        assert logits.shape[1] == model.num_classes == maps.shape[1] + 1
        background = logits.softmax(1)[:, -1]
        torch.testing.assert_close(maps.sum(1) + background, torch.ones(2, 8, 8))

    def test_channel_of_the_background_is_needed(self) -> None:
        cfg = Config.fromfile(ROOT / TINY).model
        cfg.cam_head.background = False
        with pytest.raises(
            ValueError, match='needs 7 CAM channels.*gives 6: set background=True'
        ):
            MODELS.build(cfg)


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
        maps = model.eval().class_maps(**predict_batch(model), cam_filter='gt')
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


# ------------------------------------------------------------------ the loss


def inputs(seed: int = 0, dtype=torch.float32) -> tuple[torch.Tensor, ...]:
    """Logits of 3 classes and background, saliency, labels."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 4, 5, 6, generator=generator, dtype=dtype)
    saliency = torch.rand(2, 1, 20, 24, generator=generator, dtype=dtype)
    label = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], dtype=dtype)
    return logits, saliency, label


def masked_loss(logits, saliency, label, tau, lam) -> torch.Tensor:
    """The definition by loops over images and classes ."""
    prob, terms = logits.softmax(1), []
    for p, s, y in zip(prob, saliency[:, 0, ::4, ::4], label, strict=True):
        fg, bg = torch.zeros_like(s), p[-1].clone()
        for c in range(len(y)):
            sure = p[c] > 0.5
            overlap = (sure & (s > 0.5)).sum() / (sure.sum() + 1e-4 * s.numel())
            if y[c] and overlap > tau:
                fg = fg + p[c]
            elif y[c]:
                bg = bg + p[c]
        terms.append((lam * fg + (1 - lam) * (1 - bg) - s) ** 2)
    return torch.stack(terms).mean()


@pytest.mark.parametrize('seed', range(4))
def test_equals_the_definition(seed: int) -> None:
    data = inputs(seed, torch.float64)
    for tau, lam in ((0.4, 0.5), (0.3, 0.9), (0.0, 1.0)):
        torch.testing.assert_close(
            saliency_loss(*data, tau, lam), masked_loss(*data, tau, lam)
        )


def test_gradcheck() -> None:
    logits, saliency, label = inputs(1, torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: saliency_loss(z, saliency, label), logits.requires_grad_()
    )


def test_half_precision_is_cast() -> None:
    logits, saliency, label = inputs()
    with torch.autocast('cpu', torch.bfloat16):
        loss = saliency_loss(logits.bfloat16(), saliency, label)
    assert loss.dtype == torch.float32
    assert loss == saliency_loss(logits.bfloat16().float(), saliency, label)


def test_wrong_shapes_and_settings() -> None:
    logits, saliency, label = inputs()
    for wrong in (
        (logits, saliency[:1], label),
        (logits[:, :3], saliency, label),
        (logits, saliency.repeat(1, 3, 1, 1), label),
    ):
        with pytest.raises(ValueError, match=r'need saliency \(B, 1, H, W\)'):
            saliency_loss(*wrong)
    for setting in (dict(overlap_thr=1.5), dict(fg_weight=-0.1)):
        with pytest.raises(ValueError, match=f'{next(iter(setting))} must be in'):
            SaliencyLoss(**setting)
