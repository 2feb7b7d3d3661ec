# Licensed under Apache-2.0.
"""The losses on class tokens and patches: formulas, limits, options."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mmwsss.methods.more.certain_token_loss import CertainTokenLoss, certain_token_loss
from mmwsss.methods.more.class_token_separation import class_token_separation
from mmwsss.methods.more.uncertain_token_loss import (
    UncertainTokenLoss,
    uncertain_token_loss,
)
from mmwsss.structures import ImageLabels

LABELS = ImageLabels.from_lists([(0, 3), (2,)], 4)


def batch(seed: int = 0, side: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    """Class tokens (2, 4, 6), patches (2, 6, side, side), token labels; float64."""
    torch.manual_seed(seed)
    tokens = torch.randn(2, 4, 6, dtype=torch.float64)
    patches = torch.randn(2, 6, side, side, dtype=torch.float64)
    choices = torch.tensor([0, 1, 3, 4, 255])
    return tokens, patches, choices[torch.randint(5, (2, side, side))]


def released(tokens: Tensor, patches: Tensor, target: Tensor, t: float) -> Tensor:
    """L_cle as it is written down, class by class."""
    unit = tokens / tokens.norm(dim=-1, keepdim=True)
    total = tokens.new_zeros(())
    for b, ids in enumerate(((1, 4), (3,))):
        for c in ids:
            e = (unit[b, c - 1] @ patches[b].flatten(1) / t).exp()
            mask = (target[b].flatten() == c).to(e.dtype)
            rows = -(e / (e.sum() + 1e-4)).log()
            total = total + (mask * rows).sum() / (mask.sum() + 1e-4)
    return total / len(tokens)


def test_certain_tokens_as_released() -> None:
    tokens, patches, target = batch()
    for temperature in (0.5, 1.0):
        loss = certain_token_loss(tokens, patches, target, LABELS, temperature)
        expected = released(tokens, patches, target, temperature)
        torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize('size', [30, 3000])
def test_low_temperatures_stay_finite(size: float) -> None:
    """Where a released exponential over- or underflows."""
    tokens, patches, target = (t.float() if t.is_floating_point() else t
                               for t in batch())  # fmt: skip
    patches = size * patches
    tokens.requires_grad_()
    loss = certain_token_loss(tokens, patches, target, LABELS, 0.1)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(tokens.grad).all()
    assert not torch.isfinite(released(tokens.detach(), patches, target, 0.1))


def test_without_a_certain_token_the_loss_is_zero() -> None:
    tokens, patches, target = batch()
    tokens.requires_grad_()
    loss = certain_token_loss(tokens, patches, target.clamp_max(0), LABELS, 0.5)
    loss.backward()
    assert loss.item() == 0 and not tokens.grad.any()
    nobody = ImageLabels.from_lists([(), ()], 4)
    assert certain_token_loss(tokens, patches, target, nobody, 0.5).item() == 0


def test_who_learns() -> None:
    """Class tokens from certain ones, patches from uncertain ones."""
    tokens, patches, target = batch()
    tokens.requires_grad_()
    patches.requires_grad_()
    certain_token_loss(tokens, patches, target, LABELS, 0.5).backward()
    assert tokens.grad.any() and patches.grad is None
    tokens.grad = None
    places = torch.tensor([[[0, 1], [-1, -1]], [[2, 3], [1, 1]]])
    uncertain_token_loss(patches, tokens, LABELS.score, places).backward()
    assert tokens.grad is None
    taken = patches.grad.abs().sum(1) > 0
    assert [row.tolist() for row in taken.nonzero()] == [
        [0, 0, 1],
        [1, 1, 1],
        [1, 2, 3],
    ]


def test_gradients() -> None:
    tokens, patches, target = batch()
    places = torch.tensor([[[0, 1], [-1, -1]], [[2, 3], [1, 1]]])
    given = tokens.requires_grad_(), patches.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda t: certain_token_loss(t, patches, target, LABELS, 0.5), given[0]
    )
    assert torch.autograd.gradcheck(
        lambda p: uncertain_token_loss(p, tokens, LABELS.score, places), given[1]
    )
    assert torch.autograd.gradcheck(class_token_separation, given[0])


def test_uncertain_token_by_hand() -> None:
    """A token that is the class token of a present class, and nothing else."""
    tokens = torch.eye(3)[None]
    patches = torch.zeros(1, 3, 7, 7)
    patches[0, 1, 2, 4] = 5.0
    labels = torch.tensor([[0.0, 1.0, 1.0]])
    loss = uncertain_token_loss(patches, tokens, labels, torch.tensor([[[2, 4]]]))
    assert loss.item() == pytest.approx(0.5 * (1 - 1 / 3))
    labels = torch.tensor([[0.0, 0.0, 1.0]])
    loss = uncertain_token_loss(patches, tokens, labels, torch.tensor([[[2, 4]]]))
    assert loss.item() == pytest.approx(0.5 + 0.5 * 1 / 3)
    nowhere = torch.full((1, 8, 2), -1)
    assert uncertain_token_loss(patches, tokens, labels, nowhere).item() == 0


def test_equal_class_tokens_have_the_largest_confusion() -> None:
    tokens = torch.rand(2, 1, 6).expand(-1, 20, -1)
    assert class_token_separation(tokens).item() == pytest.approx(math.log(20))
    assert class_token_separation(torch.eye(20)[None]).item() < 1e-4


def test_the_token_itself_may_be_taken() -> None:
    """Three rows and columns further than released."""
    tokens, patches, target = batch()
    places = torch.tensor([[[0, 1]], [[1, 0]]])
    corner, centre = (
        UncertainTokenLoss(taken)(patches, tokens, target, LABELS.score, places)
        for taken in ('corner', 'centre')
    )
    moved = uncertain_token_loss(patches, tokens, LABELS.score, places + 3)
    assert centre == moved and corner != moved


def test_half_precision_is_computed_in_float32() -> None:
    tokens, patches, target = batch()
    half = tokens.bfloat16(), patches.bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        loss = certain_token_loss(*half, target, LABELS, 0.5)
    full = certain_token_loss(half[0].float(), half[1].float(), target, LABELS, 0.5)
    assert loss.dtype == torch.float32 and loss == full


@pytest.mark.parametrize(
    'change,message',
    [
        (
            dict(tokens=torch.rand(2, 4, 5)),
            r'must fit, got \(2, 4, 5\), \(2, 6, 8, 8\)',
        ),
        (dict(target=torch.zeros(2, 4, 4)), 'must fit'),
        (dict(temperature=0), 'temperature must be positive, got 0'),
    ],
)
def test_bad_input(change: dict, message: str) -> None:
    names = ('tokens', 'patches', 'target')
    given = dict(zip(names, batch()), labels=LABELS, temperature=0.5) | change
    with pytest.raises(ValueError, match=message):
        certain_token_loss(**given)


def test_unknown_settings() -> None:
    with pytest.raises(ValueError, match="taken must be one of.*got 'edge'"):
        UncertainTokenLoss('edge')
    with pytest.raises(ValueError, match='temperature must be positive'):
        class_token_separation(torch.rand(1, 2, 3), 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_the_gpu() -> None:
    """The numbers of the CPU, and the host doesn't wait."""
    tokens, patches, target = batch()
    places = torch.tensor([[[0, 1], [-1, -1]], [[2, 1], [1, 1]]])
    found = []
    for device in ('cpu', 'cuda'):
        given = [t.to(device) for t in (tokens, patches, target, places)]
        labels = ImageLabels(*(t.to(device) for t in LABELS))
        cle, une = CertainTokenLoss(0.1), UncertainTokenLoss()
        torch.cuda.set_sync_debug_mode('error')
        try:
            values = [
                cle(given[0], given[1], given[2], labels),
                une(given[1], given[0], given[2], labels.score, given[3]),
                une.draw(given[2]),
            ]
        finally:
            torch.cuda.set_sync_debug_mode('default')
        found.append([v.cpu() for v in values[:2]])
    torch.testing.assert_close(found[1], found[0])
