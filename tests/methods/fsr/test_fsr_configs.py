# Licensed under Apache-2.0.
"""FSR's full-size configs: sizes, optimiser groups, the paper's preset."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.engine.optimizers.merged_constructor import MergedOptimWrapperConstructor
from mmwsss.models.losses.pixel_cross_entropy import PixelCrossEntropy
from mmwsss.models.teachers.ema_copy import EMACopy
from mmwsss.registry import MODELS, TRANSFORMS
from mmwsss.testing import build, step
from tests.helpers import ROOT

FOLDER = ROOT / 'configs' / 'fsr'


def full_size(name: str) -> tuple[Config, torch.nn.Module]:
    """A config and its model without memory behind it."""
    init_default_scope('mmwsss')
    cfg = Config.fromfile(FOLDER / f'fsr_vit-b_{name}.py')
    cfg.model.backbone.pretrained = None
    with torch.device('meta'):
        return cfg, MODELS.build(cfg.model)


@pytest.mark.parametrize('name,classes', [('voc', 21), ('voc_paper', 21), ('coco', 81)])
def test_sizes(name: str, classes: int) -> None:
    """113.7 M values in one network of VOC, as published; the teacher has as many."""
    _, model = full_size(name)

    def millions(module) -> float:
        return sum(p.numel() for p in module.parameters()) / 1e6

    assert millions(model.backbone.layers) == pytest.approx(85.05, abs=0.01)
    assert millions(model.backbone.aggregation) == pytest.approx(14.18, abs=0.01)
    assert millions(model.backbone) == pytest.approx(100.4, abs=0.05)
    assert millions(model.proj_head) == pytest.approx(7.35, abs=0.01)
    assert model.num_classes == classes
    copies = sum(millions(m) for m in model.children() if isinstance(m, EMACopy))
    assert copies == pytest.approx(millions(model) / 2)
    if classes == 21:
        assert millions(model.decode_head) == pytest.approx(5.91, abs=0.01)
        assert copies == pytest.approx(113.7, abs=0.05)


def test_optimiser_groups() -> None:
    """Numbers of tensors: encoder without and with decay, projector biases, heads."""
    cfg, model = full_size('voc')
    wrapper = cfg.optim_wrapper
    wrapper.pop('constructor')
    optimizer = MergedOptimWrapperConstructor(wrapper, wrapper.pop('paramwise_cfg'))(
        model
    ).optimizer
    found = Counter()
    for group in optimizer.param_groups:
        trained = [p for p in group['params'] if p.requires_grad]
        found[round(group['lr'], 9), group['weight_decay']] += len(trained)
    # (the projector's fixed gain, which the release counts among the last, is frozen)
    assert found == {
        (6e-5, 0.0): 122,
        (6e-5, 0.05): 61,
        (6e-4, 0.0): 3,
        (6e-4, 0.05): 9,
    }


@pytest.mark.parametrize('name', ['voc', 'coco'])
def test_views(name: str) -> None:
    """Two views by the published transforms, nothing else."""
    cfg, _ = full_size(name)
    init_default_scope('mmwsss')
    views = TRANSFORMS.build(cfg.train_dataloader.dataset.pipeline[1])
    assert set(views.views) == {'view1', 'view2'}
    for start, (crop, flip, jitter) in views.views.values():
        assert start == 'input'
        assert (crop.size, crop.area, crop.resample) == (
            (448, 448),
            (0.32, 1.0),
            'bicubic',
        )
        assert flip.prob == 0.5 and jitter.prob == 0.5


def test_paper() -> None:
    """Its settings are those of the tiny model's options."""
    cfg, model = full_size('voc_paper')
    assert set(model.terms.schedule.weights) == {
        'cls',
        'cls_aux',
        'ptc',
        'seg',
        'unc',
        'cer',
    }
    assert isinstance(model.losses['seg'], PixelCrossEntropy)
    assert model.losses['unc'].reduction == 'sum'
    assert model.backbone.aggregation.blocks[0].attn.key_mask == 'paper'
    assert model.backbone.aggregation.blocks[0].attn.scale == 768**-0.5
    mask = dict(cfg.model.train_cfg.mask, block_size=8)  # a tiny model's patch
    tiny = build(
        'configs/fsr/fsr_vit-t_shapes.py',
        mask=mask,
        cam_mode='eval',
        teacher_mode='eval',
        cam=dict(scales=(1.0,)),
        low_thr=0.2,
    )
    masked = []
    reinforce = tiny.reinforce
    tiny.reinforce = lambda inputs, features, mask: (
        masked.append(mask),
        reinforce(inputs, features, mask),
    )[1]
    losses = step(tiny, 0)
    assert all(torch.isfinite(v) for v in losses.values())
    assert masked[0].tokens.sum((1, 2)).tolist() == [57, 57]  # floor(0.4 * 144)
