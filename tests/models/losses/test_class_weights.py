# Licensed under Apache-2.0.
"""L_cls with a weight for images that hold a class."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mmwsss.engine.hooks.class_weights import tell_class_counts
from mmwsss.engine.hooks.data_report import cares_for_rare
from mmwsss.io.errors import UserError
from mmwsss.models.losses.multi_label_soft_margin import (
    balanced_weights,
    multi_label_soft_margin,
)
from mmwsss.registry import MODELS
from mmwsss.testing.host_sync import NoHostSync
from tests.datasets.conftest import draw
from tests.datasets.test_weak_seg_dataset import build
from tests.engine.test_data_report import Log, runner_of
from tests.helpers.processes import in_processes

HOT = torch.tensor([[1.0, 0, 1], [0, 0, 1], [0, 1, 0], [1, 0, 0]])


def loss_of(**kwargs) -> nn.Module:
    return MODELS.build(dict(type='MultiLabelSoftMargin', **kwargs))


def logits(seed: int = 0) -> Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))


def test_by_hand() -> None:
    x = torch.tensor([[0.0, math.log(3)]])
    loss = multi_label_soft_margin(
        x, torch.tensor([[1.0, 0.0]]), torch.tensor([5.0, 9.0])
    )
    # -(5 log 1/2 + log 1/4) / 2: a class that is absent weighs 1
    torch.testing.assert_close(loss, torch.tensor(3.5 * math.log(2)))


def test_without_weights_nothing_changes() -> None:
    """To the bit, values and gradients."""
    for given in (loss_of(), loss_of(pos_weight=None)):
        x, y = logits().requires_grad_(), logits().requires_grad_()
        ours, theirs = given(x, HOT), F.multilabel_soft_margin_loss(y, HOT)
        assert torch.equal(ours, theirs)
        assert torch.equal(*(torch.autograd.grad(a, b)[0] for a, b in
                             ((ours, x), (theirs, y))))  # fmt: skip
        assert not list(given.buffers())
    torch.testing.assert_close(loss_of(pos_weight=[1.0] * 3)(logits(), HOT), ours)


@pytest.mark.parametrize(
    ('given', 'match'),
    [
        ('equal', "pos_weight='equal': must be 'balanced', a number"),
        ([1.0, 0.0], r'pos_weight=\[1.0, 0.0\]: all must be above 0'),
        ([1.0, float('nan')], 'all must be above 0'),
    ],
)
def test_bad_weights(given, match) -> None:
    with pytest.raises(UserError, match=match):
        loss_of(pos_weight=given)


def test_as_many_weights_as_classes() -> None:
    with pytest.raises(ValueError, match='2 entries, and there are 3 classes'):
        loss_of(pos_weight=[1.0, 2.0])(logits(), HOT)


def model_of(**kwargs) -> nn.Module:
    model = nn.Linear(5, 3)
    model.losses = nn.ModuleDict(dict(cls=loss_of(**kwargs)))
    return model


def test_balanced_weights_come_from_the_training_data(tmp_path) -> None:
    assert balanced_weights([]) == []
    folder = draw(tmp_path / 'set', {str(i): ('cat',) for i in range(9)})
    lines = [f'{i} cat\n' for i in range(8)] + ['8 cat dog\n']
    (folder / 'splits' / 'train.txt').write_text(''.join(lines))
    runner, model = runner_of(tmp_path, build(folder)), model_of(pos_weight='balanced')
    loss = model.losses['cls']
    with pytest.raises(UserError, match="pos_weight='balanced' of .* not counted yet"):
        loss(logits(), HOT)
    assert not cares_for_rare(runner, model)
    tell_class_counts(runner, model)
    assert loss.pos_weight.tolist() == [1, 9, 1]
    assert 'losses.cls: images that hold a class weigh cat (9' in runner.logger[0][1]
    assert 'dog (1 pictures) 9.00' in runner.logger[0][1]
    assert cares_for_rare(runner, model) and not list(loss.state_dict())
    torch.testing.assert_close(
        loss(logits(), HOT), loss_of(pos_weight=[1, 9, 1])(logits(), HOT)
    )


def test_nothing_is_counted_for_others(tmp_path) -> None:
    for kwargs in ({}, dict(pos_weight=[1.0, 2.0, 3.0])):
        runner = SimpleNamespace(_train_loop=None, logger=Log())
        tell_class_counts(runner, model_of(**kwargs))
        assert not runner.logger
    with pytest.raises(UserError, match="'balanced' of losses.cls needs training data"):
        tell_class_counts(runner_of(tmp_path), model_of(pos_weight='balanced'))


# ------------------------------------------------------------------ processes
def half_a_step(rank: int) -> list[Tensor]:
    """Gradients of one rank, whose counts are told after the model is wrapped."""
    torch.manual_seed(0)
    model = model_of(pos_weight='balanced')
    wrapped = DistributedDataParallel(model)
    model.losses['cls'].use_class_counts([4, 1, 2])
    mine = slice(2 * rank, 2 * rank + 2)
    inputs = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    for _ in range(2):
        model.zero_grad()
        model.losses['cls'](wrapped(inputs[mine]), HOT[mine]).backward()
    return [parameter.grad for parameter in model.parameters()]


def test_two_processes_are_one_batch(tmp_path) -> None:
    """A weight is no part of a mean, so halves of a batch make the whole."""
    first, second = in_processes(half_a_step, tmp_path)
    torch.manual_seed(0)
    model = model_of(pos_weight=[1.0, 4.0, 2.0])
    inputs = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    model.losses['cls'](model(inputs), HOT).backward()
    for one, other, parameter in zip(first, second, model.parameters(), strict=True):
        assert torch.equal(one, other)
        torch.testing.assert_close(one, parameter.grad)


def test_no_wait_for_the_device() -> None:
    given = loss_of(pos_weight='balanced')
    given.use_class_counts([4, 1, 2])
    with NoHostSync():
        given(logits(), HOT)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_the_gpu() -> None:
    listed, counted = (
        loss_of(pos_weight=[1.0, 4.0, 2.0]).cuda(),
        loss_of(pos_weight='balanced'),
    )
    counted.use_class_counts([4, 1, 2], 'cuda')
    expected = loss_of(pos_weight=[1.0, 4.0, 2.0])(logits(), HOT)
    for given in (listed, counted):
        assert given.pos_weight.is_cuda
        with NoHostSync():
            found = given(logits().cuda(), HOT.cuda())
        torch.testing.assert_close(found.cpu(), expected, atol=1e-6, rtol=1e-6)
