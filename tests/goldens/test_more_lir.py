# Licensed under Apache-2.0.
"""Localisation-informed losses: values, gradients, places of uncertain tokens."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmwsss.methods.more.certain_token_loss import certain_token_loss
from mmwsss.methods.more.class_token_separation import class_token_separation
from mmwsss.methods.more.uncertain_places import (
    COUNT,
    MARGIN,
    choose_places,
    crowded,
    levels,
)
from mmwsss.methods.more.uncertain_token_loss import uncertain_token_loss
from tests.goldens.more_model import below, cases, close, equal, labels_of, tensors


@pytest.fixture
def each(golden):
    """The cases of the file."""
    data = golden('more_lir')
    found = {name: below(data, f'{name}/') for name in cases(data)}
    assert found
    return found


@pytest.mark.parametrize('name', ['cle', 'cle_low'])
def test_certain_tokens(each, name: str) -> None:
    """Also at COCO's low temperature."""
    for one in each.values():
        given = tensors(one)
        tokens, fmap = given['tokens'].requires_grad_(), given['fmap'].requires_grad_()
        temperature = float(one[f'{name}_temp'])
        loss = certain_token_loss(
            tokens, fmap, given['mask'].long(), labels_of(one['labels']), temperature
        )
        close(loss, one[name])
        found, other = torch.autograd.grad(loss, [tokens, fmap], allow_unused=True)
        close(found, one[f'{name}_grad_tokens'], 1e-4)
        assert other is None


@pytest.mark.parametrize('name', ['mct', 'mct_both'])
def test_separation(each, name: str) -> None:
    for one in each.values():
        given = tensors(one)
        tokens = given['tokens'].requires_grad_()
        classified = given['labels'] if name == 'mct_both' else None
        loss = class_token_separation(tokens, labels=classified)
        close(loss, one[name])
        (found,) = torch.autograd.grad(loss, tokens)
        close(found, one[f'{name}_grad_tokens'], 1e-4)


def test_uncertain_tokens(each) -> None:
    for one in each.values():
        given = tensors(one)
        fmap, tokens = given['fmap'].requires_grad_(), given['tokens'].requires_grad_()
        loss = uncertain_token_loss(fmap, tokens, given['labels'], given['places'])
        close(loss, one['une'])
        found, other = torch.autograd.grad(loss, [fmap, tokens], allow_unused=True)
        close(found, one['une_grad_fmap'], 1e-4)
        assert other is None


def test_levels(each) -> None:
    for one in each.values():
        equal(levels(tensors(one)['mask'].long()), one['roi'])


def release_order(target: Tensor, seed: int) -> Tensor:
    """Numbers by which places come as the release shuffles them: one an image."""
    torch.manual_seed(seed)
    inner = levels(target)[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    order = torch.zeros(inner.shape)
    for numbers, found, level in zip(order, crowded(levels(target)), inner):
        more = (COUNT - int(found.sum())) // 4
        pool = found if found.sum() > COUNT else level == 2
        if found.sum() <= COUNT and pool.sum() < more:
            pool = torch.ones_like(found)
        index = pool.nonzero()
        ranks = torch.randperm(len(index)).argsort().float()
        numbers[index[:, 0], index[:, 1]] = ranks
    return order


def test_places(each) -> None:
    """As many, and the same, in their order."""
    for one in each.values():
        target = tensors(one)['mask'].long()
        order = release_order(target, int(one['seed']))
        equal(choose_places(target, order), one['places'])


def test_steps_of_training_have_such_places(golden) -> None:
    """Of the training loop, whose draws aren't known: as many, of the right kind."""
    data = golden('more_train_step')
    for i, iteration in enumerate(data['n_iter']):
        step = tensors(below(data, f'it{i}/'))
        late = int(iteration) > 10000
        check_places(step['label_late' if late else 'label_une'].long(), step['places'])


def check_places(target: Tensor, places: Tensor) -> None:
    torch.manual_seed(0)
    shape = (len(target), *(side - 2 * MARGIN for side in target.shape[1:]))
    ours = choose_places(target, torch.rand(shape))
    assert torch.equal((ours >= 0).sum((1, 2)), (places >= 0).sum((1, 2)))
    found = crowded(levels(target))
    for image, own in zip(found, places):
        taken = own[own[:, 0] >= 0]
        number = min(int(image.sum()), COUNT)
        assert image[taken[:number, 0], taken[:number, 1]].all()
        if int(image.sum()) <= COUNT:
            assert torch.equal(taken[:number], image.nonzero())
