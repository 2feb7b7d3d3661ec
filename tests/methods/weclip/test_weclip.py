# Licensed under Apache-2.0.
"""WeCLIP and WeCLIP+ through the shared tester, and what only they have."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mmwsss.methods.weclip.attention_choice import mixed_attention
from mmwsss.registry import MODELS
from mmwsss.testing import MethodTester, at, build, gradients, step, terms_of, total
from tests.helpers.weclip_configs import BEGIN, LATE, weclip_config

WECLIP, PLUS = weclip_config(), weclip_config('weclip-plus_vit-b')


class TestWeCLIP(MethodTester):
    """A decoder on all taps; labels of one pass."""

    config = WECLIP
    encoded = ((2, 3, 96, 96),)
    refused = (
        (dict(labeler=None), 'needs a labeler'),
        (dict(backbone=dict(type='WSSSViT', arch='deit-tiny', out_indices=(11,))),
         'needs a backbone of the type CLIPViT, got WSSSViT'),
        (dict(decode_head=dict(type='LargeFOVHead')), 'of the type FusedTokenHead'),
        (dict(refinement=dict(last_after=5)), 'set backbone.attention_blocks=8'),
        (dict(refinement=dict(last_before=3, last_after=3, distance='squared')),
         'model.refinement.distance must be one of'),
        (dict(refinement=dict(last_before=0)), 'last_before and last_after >= 1'),
        (dict(refinement=dict(threshold=1.2)), r'must be in \[0, 1\], got 1.2'),
        (dict(affinity_radius=-1), 'radius must be >= 0'),
    )  # fmt: skip


class TestWeCLIPPlus(MethodTester):
    """One decoder on two encoders."""

    config = PLUS
    encoded = ((2, 3, 96, 96),)
    refused = ((dict(decode_head=None), 'needs a decode_head'),)


@pytest.mark.parametrize(
    'config,change,message',
    [
        (WECLIP, dict(rfm_begin=-1), 'rfm_begin must be an iteration, got -1'),
        (WECLIP, dict(rfm_begin='9144'), "rfm_begin must be an iteration, got '9144'"),
        (WECLIP, dict(late_label=dict(begin=3)), r"no train_cfg entries \['late_la"),
        (PLUS, dict(late_label=dict(begin=3, thr=0.5)), r"late_label has no \['thr'\]"),
        (PLUS, dict(late_label=dict(begin=3, conf_thr=2.0)), r'conf_thr in \[0, 1\]'),
    ],
)
def test_bad_settings(config, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(config, **change)


def test_frozen_parts_stay() -> None:
    """Encoders and texts are in no checkpoint, get no gradient, and rest."""
    for config, parts in ((WECLIP, ()), (PLUS, ('dino',))):
        model = build(config)
        assert not any(
            key.startswith(('backbone', 'texts', *parts)) and 'fusion' not in key
            for key in model.state_dict()
        )
        gradients(model, total(step(model, LATE)))
        for part in ('backbone', *parts):
            network = getattr(model, part)
            assert not network.training and model.training
            assert all(p.grad is None for p in network.parameters())


def test_labels_change_at_the_switch() -> None:
    """From its iteration on, and in every prediction."""
    model = build(WECLIP)
    model.decode_head.dropout = None
    losses = [step(model, i)['loss_seg'] for i in (0, BEGIN - 1, BEGIN, BEGIN + 1)]
    assert losses[0] == losses[1] != losses[2] == losses[3]
    features = model.encode(torch.rand(1, 3, 64, 64))
    labels = model.image_labels([], 'cpu').every_class(1, model.num_foreground)
    found = []
    for mode, iteration in ((False, 0), (True, BEGIN), (True, 0)):
        model.train(mode)
        at(iteration)
        found.append(model.view_maps(features, labels)[0].maps)
    at(0)
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_the_decoder_corrects_its_label_late() -> None:
    """The affinity loss keeps the label that was not corrected."""
    model = build(PLUS, late_label=dict(begin=LATE, conf_thr=0.0))
    model.decode_head.dropout = None
    early, late = (step(model, i) for i in (LATE - 1, LATE))
    changed = {t for t in terms_of(early) if early[f'loss_{t}'] != late[f'loss_{t}']}
    assert changed == {'seg', 'dice'}
    assert torch.equal(early['label_fg'], late['label_fg'])


@pytest.mark.parametrize(
    'config,settings,changed',
    [
        (WECLIP, dict(refinement=dict(closed=True)), {'seg', 'aff'}),
        (WECLIP, dict(affinity_radius=2), {'aff'}),
        (WECLIP, dict(train_cfg=dict(ignore_padding=True)), {'seg', 'aff'}),
        (PLUS, dict(backbone=dict(stream_block=-1)), {'seg', 'aff', 'dice'}),
        (PLUS, dict(refinement=dict(threshold=0.4)), {'seg', 'aff', 'dice'}),
    ],
)
def test_options_act(config, settings: dict[str, Any], changed: set[str]) -> None:
    """Every option changes the terms that it is about, and no other."""
    cfg = config.copy()
    cfg.merge_from_dict({'model': settings})
    images = (1, 2)  # with padding
    plain, other = (step(build(c), BEGIN, images) for c in (config, cfg))
    differ = {t for t in terms_of(plain) if plain[f'loss_{t}'] != other[f'loss_{t}']}
    assert differ <= changed and differ


def test_absolute_distances() -> None:
    """They ask where attention and affinity agree; signed sums, how much there is."""
    affinity = torch.eye(4)[None] * 0.8 + 0.1
    alike, other = affinity / affinity.sum(-1, keepdim=True), torch.full((1, 4, 4), 0.3)
    attention = torch.nn.functional.pad(torch.stack([alike, other], 1), (1, 0, 1, 0))
    chosen = [
        mixed_attention(attention, affinity, 2, distance) / affinity
        for distance in ('signed', 'absolute')
    ]
    torch.testing.assert_close(chosen[0], other, rtol=1e-4, atol=0)
    torch.testing.assert_close(chosen[1], alike, rtol=1e-4, atol=0)
    with pytest.raises(ValueError, match='does not fit an affinity of 3'):
        mixed_attention(attention, affinity[:, :3, :3], 2)


def test_dice_of_ignored_pixels() -> None:
    label = torch.randint(0, 3, (2, 8, 8))
    label[:, :3] = 255
    logits = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    counted, left = (
        MODELS.build(dict(type='SoftDiceLoss', count_ignored=flag))
        for flag in (True, False)
    )
    assert counted(logits, label) > left(logits, label)
    whole = torch.randint(0, 3, (2, 8, 8))
    assert counted(logits, whole) == left(logits, whole)
    assert torch.autograd.gradcheck(lambda x: counted(x, label), (logits,))
    with pytest.raises(ValueError, match='label'):
        counted(logits, label[0])
    half = counted(logits.half(), label)
    assert half.dtype == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
@pytest.mark.parametrize('config', [WECLIP, PLUS])
@pytest.mark.parametrize('iteration', [0, BEGIN])
def test_on_a_gpu(config, iteration: int) -> None:
    """Losses and gradients as on the CPU, without dropout."""
    found = []
    for device in ('cpu', 'cuda'):
        model = build(config).to(device)
        model.decode_head.dropout = None
        losses = step(model, iteration)
        grads = gradients(model, total(losses))
        at(0)
        found.append(({k: v.cpu() for k, v in losses.items()},
                      {k: v.cpu() for k, v in grads.items()}))  # fmt: skip
    for cpu, cuda in zip(*found, strict=True):
        assert cpu.keys() == cuda.keys()
        for key, value in cpu.items():
            torch.testing.assert_close(
                cuda[key], value, rtol=1e-2, atol=1e-2 * float(value.abs().max())
            )
