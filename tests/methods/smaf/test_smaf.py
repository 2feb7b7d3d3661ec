# Licensed under Apache-2.0.
"""SMAF through the shared tester, and on top of every method."""

from __future__ import annotations

import copy

import pytest
import torch

from mmwsss.methods.smaf.smaf import MultiScaleSelfTraining
from mmwsss.testing import (
    CAMMethodTester,
    MethodTester,
    assert_same_predictions,
    build,
    fields,
    gradients,
    predict_batch,
    step,
    total,
)
from tests.helpers.self_training import (
    BASES,
    CAM,
    SMAF,
    SMAF_EPS,
    TOCO,
    base_model,
    wrapped,
)


class OwnRoundTrip:
    """What is another matter than for the methods themselves."""

    def test_state_dict_round_trip(self, model) -> None:
        """The student is in it; the teacher is what the base checkpoint holds."""
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.01 * torch.randn_like(parameter)
        state = model.state_dict()
        same, other = build(self.config), build(self.config, seed=1)
        for one in (same, other):
            one.load_state_dict(state, strict=True)
        ours, theirs, foreign = (step(m, 0) for m in (model, same, other))
        assert all(torch.equal(ours[k], theirs[k]) for k in ours)
        assert not torch.equal(ours['loss_mac'], foreign['loss_mac'])


class TestSMAF(OwnRoundTrip, MethodTester):
    """Attention by ReLU, a base with a decoder."""

    config = SMAF


class TestSMAFOnEPS(OwnRoundTrip, CAMMethodTester):
    """Attention by softmax, no decoder."""

    config = SMAF_EPS


@pytest.mark.parametrize('config', (*BASES, 'eps'))
def test_any_method(config: str, tmp_path) -> None:
    """The student is the base, same keys; only encoder and classifier learn."""
    base = base_model(config)
    model = wrapped(config, tmp_path, base)
    assert type(model.segmentor) is type(base)
    assert isinstance(model, MultiScaleSelfTraining)
    before = copy.deepcopy(model.state_dict())
    assert before.keys() == base.state_dict().keys()
    assert all(torch.equal(v, before[k]) for k, v in base.state_dict().items())
    settings = dict(cam_filter='gt', outputs=('cam',), cam=dict(scales=(1.0,)))
    batch = predict_batch(model.eval())
    ours, theirs = (
        fields(m.predict(**copy.deepcopy(batch), **settings)) for m in (model, base)
    )
    assert_same_predictions(ours, theirs, exact=True)

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    losses = step(model, 0)
    terms = {k for k in losses if k.startswith('loss_')}
    assert terms == {f'loss_{term}' for term in model.train_cfg['weights']}
    grads = gradients(model, total(losses))
    trained = {k for k, p in model.named_parameters() if p.requires_grad}
    assert set(grads) == trained
    assert {k.split('.')[0] for k in trained} == {'backbone', 'cam_head'}
    optimizer.step()
    for key, value in model.state_dict().items():
        if not value.is_floating_point() or key.startswith(('backbone.', 'losses.')):
            continue
        assert torch.equal(value, before[key]) == (key not in trained), key
    teacher = model.base.network
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())
    assert not teacher.training and model.training
    base.load_state_dict(model.state_dict(), strict=True)


@pytest.mark.parametrize('config', (CAM, 'eps'))
def test_loss_falls(config: str, tmp_path) -> None:
    """A few steps on one batch bring the student nearer to the target."""
    model = wrapped(config, tmp_path, train_cfg=dict(weights=dict(mac=1.0)))
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], lr=0.1
    )
    values = []
    for _ in range(8):
        loss = step(model, 0)['loss_mac']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    assert values[-1] < values[0]


def test_bases_settings_are_taken(tmp_path) -> None:
    """How views meet is the base's business: EPS sums, ToCo takes the maximum."""
    assert wrapped('eps', tmp_path).settings.pair == 'sum'
    assert wrapped('eps', tmp_path).settings.normalise == 'max'
    assert wrapped('eps', tmp_path).settings.scales == (0.5, 1.0, 1.5, 2.0)
    model = wrapped(TOCO, tmp_path, self_training=dict(normalise='max'))
    assert (model.settings.pair, model.settings.normalise) == ('max', 'max')


def test_seeds_give_one_base() -> None:
    """The tester's models start from one base: student and teacher alike."""
    model, teacher = build(SMAF), build(SMAF).base.network.state_dict()
    assert all(
        torch.equal(v, teacher[k])
        for k, v in model.state_dict().items()
        if '_ema.' not in k
    )  # these are told apart by the tester
