# Licensed under Apache-2.0.
"""Targets of self-training and the student's attention, by hand."""

from __future__ import annotations

import pytest
import torch

from mmwsss.methods.smaf.attention_consistency import (
    AttentionConsistency,
    relu_consistency,
    softmax_consistency,
)
from mmwsss.methods.smaf.reactivation import (
    attention_target,
    denoise,
    reactivate,
    relu_attention,
    resize_corners,
    softmax_attention,
    winning_label,
)
from mmwsss.structures import ImageLabels


def maps(*values: float) -> torch.Tensor:
    """(1, C, 1, 1)."""
    return torch.tensor(values).view(1, -1, 1, 1)


@pytest.mark.parametrize(
    'fused,label,target',
    [
        ((0.5, 0.8), (1, 0), (1.0, 0.0, 0.4)),  # the other class isn't there
        ((0.5, 0.8), (1, 1), (0.625, 1.0, 0.25)),
        ((0.1, 0.15), (1, 1), (0.5, 0.75, 1.0)),  # nothing exceeds 0.2
        ((0.0, 0.9), (1, 0), (0.0, 0.0, 1.0)),
    ],
)
def test_target_by_hand(fused, label, target) -> None:
    got = attention_target(maps(*fused), torch.tensor([label]).float(), 0.2)
    torch.testing.assert_close(got.flatten(), torch.tensor(target))
    plain = attention_target(
        maps(*fused), torch.tensor([label]).float(), 0.2, reactivated=False
    )
    expected = [f * y for f, y in zip(fused, label, strict=True)] + [0.2]
    torch.testing.assert_close(plain.flatten(), torch.tensor(expected))
    torch.testing.assert_close(reactivate(plain), got)


def test_denoise_keeps_present_classes() -> None:
    fused, label = torch.rand(2, 3, 4, 5), torch.tensor([[1.0, 0, 1], [0, 0, 0]])
    clean = denoise(fused, label)
    assert torch.equal(clean[0, [0, 2]], fused[0, [0, 2]])
    assert not clean[0, 1].any() and not clean[1].any()


def test_winning_label() -> None:
    target = torch.eye(4).view(1, 4, 1, 4)  # pixel i is won by channel i
    assert winning_label(target).tolist() == [[[1, 2, 3, 0]]]


def test_corners_stay() -> None:
    images = torch.rand(1, 2, 9, 13)
    small = resize_corners(images, (3, 4))
    torch.testing.assert_close(small[..., ::2, ::3], images[..., ::8, ::12])
    assert resize_corners(images, (9, 13)) is images


def test_softmax_comes_after_the_resize() -> None:
    logits = torch.tensor([[[[0.0, 4.0]], [[2.0, 0.0]]]])
    got = softmax_attention(logits, (1, 3))
    torch.testing.assert_close(got.sum(1), torch.ones(1, 1, 3))
    middle = torch.tensor([2.0, 1.0]).softmax(0)
    torch.testing.assert_close(got[0, :, 0, 1], middle)


def test_relu_attention_by_hand() -> None:
    logits = torch.tensor([[[[-1.0, 2.0, 4.0]]]])
    got = relu_attention(logits, (1, 3), eps=0.0)
    torch.testing.assert_close(got.flatten(), torch.tensor([0.0, 0.5, 1.0]))
    assert not relu_attention(-logits.abs(), (1, 3)).any()


def test_no_gradient_through_the_maximum() -> None:
    """The divisor is a constant: that of 2 / 4 is 1/4 at its own pixel only."""
    logits = torch.tensor([[[[2.0, 4.0]]]], requires_grad=True)
    relu_attention(logits, (1, 2), eps=0.0)[..., 0].sum().backward()
    assert logits.grad.flatten().tolist() == [0.25, 0.0]


@pytest.mark.parametrize('background', [False, True])
def test_absent_classes_are_left_alone(background: bool) -> None:
    labels = ImageLabels.from_lists([(2, 0), (1,)], num_foreground=3)
    logits = torch.randn(2, 3, 2, 2).requires_grad_()
    target = torch.rand(2, 4, 2, 2)
    loss = relu_consistency(logits, target, labels, background)
    loss.backward()
    present = labels.score.bool()
    assert not logits.grad[~present].any() and logits.grad[present].any()
    with torch.no_grad():
        got, count = 0.0, 0
        for i, row in enumerate(present):
            attention = relu_attention(logits[i : i + 1, row], (2, 2))[0]
            terms = list((attention - target[i, :-1][row]).square().mean((1, 2)))
            if background:
                rest = 1 - attention.amax(0)
                terms.append((rest - target[i, -1]).square().mean())
            got, count = got + sum(terms), count + len(terms)
    torch.testing.assert_close(loss.detach(), got / count)


@pytest.mark.parametrize('background', [False, True])
def test_softmax_with_and_without_the_background(background: bool) -> None:
    logits, target = torch.randn(2, 4, 3, 3), torch.rand(2, 4, 3, 3)
    channels = 4 if background else 3
    expected = (logits.softmax(1) - target)[:, :channels].square().mean()
    torch.testing.assert_close(
        softmax_consistency(logits, target, background), expected
    )
    module = AttentionConsistency(background=background)
    torch.testing.assert_close(module(logits, target, None), expected)


@pytest.mark.parametrize('kind,background', [('softmax', True), ('relu', False)])
def test_background_counts_where_it_has_a_channel(kind: str, background: bool) -> None:
    assert AttentionConsistency(kind).background is background


def test_no_class_at_all() -> None:
    labels = ImageLabels.from_lists([(), ()], num_foreground=3)
    logits = torch.randn(2, 3, 2, 2, requires_grad=True)
    for background in (False, True):
        loss = relu_consistency(logits, torch.rand(2, 4, 2, 2), labels, background)
        loss.backward()
        assert loss == 0 and not logits.grad.any()


def test_half_precision() -> None:
    """Under autocast the loss is the float32 loss of the same half values."""
    labels = ImageLabels.from_lists([(2, 0)], num_foreground=3)
    half, target = torch.randn(1, 3, 2, 2).bfloat16(), torch.rand(1, 4, 4, 4)
    module = AttentionConsistency('relu', background=True)
    with torch.autocast('cpu', torch.bfloat16):
        loss = module(half, target, labels)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, module(half.float(), target, labels))


@pytest.mark.parametrize('kind,channels', [('softmax', 3), ('relu', 4)])
def test_channels_that_do_not_belong_together(kind: str, channels: int) -> None:
    labels = ImageLabels.from_lists([(2, 0)], num_foreground=3)
    with pytest.raises(ValueError, match=rf'\(1, {channels}, 2, 2\).*background'):
        AttentionConsistency(kind)(
            torch.rand(1, channels, 2, 2), torch.rand(1, 4, 2, 2), labels
        )
