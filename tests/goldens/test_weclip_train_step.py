# Licensed under Apache-2.0.
"""One iteration of WeCLIP's own loop in both phases: labels, losses, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.engine.optimizers.merged_constructor import MergedOptimWrapperConstructor
from mmwsss.engine.schedulers.poly_warmup_lr import poly_warmup_factor
from mmwsss.methods.weclip.attention_choice import fused_affinity
from mmwsss.methods.weclip.weclip import WeCLIP
from mmwsss.methods.weclip.weclip_keys import convert_weclip
from mmwsss.models.gradient_maps import class_gradient_maps
from mmwsss.testing import at
from tests.goldens.test_seco_train_step import watch
from tests.goldens.weclip_model import CAM, close, pad_slots, tiny_weclip

BEGIN = 5
PHASES = dict(before=BEGIN - 1, after=BEGIN)


@pytest.fixture(autouse=True)
def _iteration_zero_after():
    yield
    at(0)


@pytest.fixture
def data(golden):
    return golden('weclip_train_step')


def model_of(data) -> WeCLIP:
    return tiny_weclip(
        data,
        refinement=dict(
            threshold=float(data['threshold']),
            last_before=int(data['last_before']),
            last_after=int(data['last_after']),
        ),
        train_cfg=dict(
            weights=dict(seg=1.0, aff=float(data['affinity_weight'])),
            rfm_begin=BEGIN,
            cam=CAM,
        ),
    ).train()


def samples_of(data) -> list[SegDataSample]:
    return [
        SegDataSample(metainfo=dict(gt_labels=tuple(np.flatnonzero(row))))
        for row in data['cls_label']
    ]


def test_features_and_maps(data) -> None:
    model = model_of(data).eval()
    features = model.encode(torch.from_numpy(data['images']))
    fused = features.extra['fused']
    close(fused, data['fts'])
    close(model.seg_logits(features), data['seg'])
    close(fused_affinity(fused), data['affinity'])
    labels = model.image_labels(samples_of(data), torch.device('cpu'))
    assert (labels.ids[labels.mask] - 1).tolist() == data['keys'].tolist()
    maps, _ = class_gradient_maps(
        features.extra['stream'],
        tuple(fused.shape[-2:]),
        model.backbone,
        model.texts,
        labels,
    )
    close(maps, pad_slots(data['cams'], data['cam_counts']).numpy(), 5e-5)


def run(model: nn.Module, data, phase: str, monkeypatch, called=None):
    """The losses of a step, and what was seen on the way."""
    at(PHASES[phase])
    seen: dict[str, Tensor] = {}
    for name in ('fused_cams', 'pseudo_label', 'view_maps'):
        watch(monkeypatch, model, name, seen)
    images = torch.from_numpy(data['images'])
    losses = (called or model)(images, samples_of(data), mode='loss')
    monkeypatch.undo()
    return losses, seen


@pytest.mark.parametrize('phase', PHASES)
def test_training_step(data, monkeypatch, phase: str) -> None:
    follow(data, phase, monkeypatch)


def follow(data, phase: str, monkeypatch, wrap=lambda model: model) -> None:
    """One step against the file.

    Args:
        data: the file.
        phase: 'before' or 'after' the switch.
        monkeypatch: of pytest.
        wrap: what is laid around the network, a communication of gradients.
    """
    model = model_of(data)
    called = wrap(model)
    losses, seen = run(model, data, phase, monkeypatch, called)
    ((maps, labels, _),) = seen['view_maps']
    for i, count in enumerate(data['cam_counts']):
        own = maps[i, :count]
        raw = torch.from_numpy(data[f'{phase}_refined_{i}'])
        raw = raw - raw.amin((-2, -1), keepdim=True)
        close(own, (raw / (raw.amax((-2, -1), keepdim=True) + 1e-7)).numpy(), 5e-5)
        assert not maps[i, count:].any()
    label = seen['pseudo_label'].numpy()
    sure = data[f'{phase}_unsure'] == 0
    np.testing.assert_array_equal(label[sure], data[f'{phase}_label'][sure])
    weight = float(data['affinity_weight'])
    close(losses['loss_seg'], data[f'{phase}_loss_seg'])
    close(losses['loss_aff'] / weight, data[f'{phase}_loss_aff'])
    total = losses['loss_seg'] + losses['loss_aff']
    close(total, data[f'{phase}_loss'])
    total.backward()
    check_gradients(model, data, phase)
    if phase == 'after':
        check_update(model, data)


def check_gradients(model: WeCLIP, data, phase: str) -> None:
    """All trained parameters, and nothing of CLIP."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    names = {
        str(name): next(iter(convert_weclip({str(name): torch.empty(0)})))
        for name in data['trained']
    }
    assert set(names.values()) == set(trained)
    assert all(p.grad is None for p in model.backbone.parameters())
    norms = dict(zip(map(str, data['trained']), data['before_grad_norms'], strict=True))
    largest = max(norms.values())
    for name, key in names.items():
        grad = trained[key].grad
        if phase == 'after':
            expected = data[f'grad.{name}']
            if 'in_proj_bias' in name:  # of the keys: nothing but rounding
                expected = expected.copy()
            close(grad, expected, 1e-4)
        else:
            assert float(grad.norm()) == pytest.approx(
                float(norms[name]), rel=1e-4, abs=1e-6 * float(largest)
            ), key


def check_update(model: WeCLIP, data) -> None:
    """The optimiser of the config at the file's rate: its first step."""
    cfg = Config.fromfile('configs/weclip/weclip_vit-b_voc.py')
    wrapper = cfg.optim_wrapper
    (schedule,) = cfg.param_scheduler
    assert schedule.power == float(data['power'])
    factor = poly_warmup_factor(
        int(data['global_step']),
        schedule.warmup_iters,
        cfg.train_cfg.max_iters,
        schedule.warmup_ratio,
        schedule.power,
    )
    wrapper.pop('constructor')
    paramwise = wrapper.pop('paramwise_cfg')
    optimizer = MergedOptimWrapperConstructor(wrapper, paramwise)(model).optimizer
    for group in optimizer.param_groups:
        if any(p.requires_grad for p in group['params']):
            assert group['lr'] == pytest.approx(float(data['base_lr']), rel=1e-12)
            assert group['weight_decay'] == float(data['weight_decay'])
        group['lr'] *= factor
        assert group['betas'] == tuple(data['betas'])
    assert float(data['base_lr']) * factor == pytest.approx(
        float(data['lr']), rel=1e-12
    )
    optimizer.step()
    state = model.state_dict()
    for name in (k for k in data if k.startswith('after.')):
        given = name.removeprefix('after.')
        ((key, expected),) = convert_weclip(
            {given: torch.from_numpy(data[name])}
        ).items()
        grad = torch.from_numpy(np.abs(data[f'grad.{given}']))
        firm = grad > 1e-3 * grad.max()
        close(state[key][firm], expected[firm].numpy())
