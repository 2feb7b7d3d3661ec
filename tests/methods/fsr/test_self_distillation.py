# Licensed under Apache-2.0.
"""The losses that FSR adds: self-distillation and plain cross entropy."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmwsss.methods.fsr.self_distillation import SelfDistillation, self_distillation
from mmwsss.models.losses.pixel_cross_entropy import (
    PixelCrossEntropy,
    pixel_cross_entropy,
)


def tokens(batch: int = 2, count: int = 3, width: int = 5, **kwargs) -> torch.Tensor:
    return torch.randn(batch, count, width, **kwargs)


def test_formula() -> None:
    student, teacher, center = tokens(), tokens(), torch.randn(5)
    weight = torch.tensor([[1, 0, 1], [0, 0, 0]])
    p = ((teacher - center) / 0.05).softmax(-1)
    ce = -(p * (student / 0.1).log_softmax(-1)).sum(-1)
    mean = self_distillation(student, teacher, center, 0.1, 0.05, weight)
    torch.testing.assert_close(mean, (ce[0, 0] + ce[0, 2]) / 2 / 2)
    summed = self_distillation(student, teacher, center, 0.1, 0.05, weight, 'sum')
    torch.testing.assert_close(summed, (ce[0, 0] + ce[0, 2]) / 2)
    torch.testing.assert_close(
        self_distillation(student, teacher, center, 0.1, 0.05), ce.mean()
    )


def test_one_teacher_for_all_tokens() -> None:
    student, teacher = tokens(), tokens(count=1)
    torch.testing.assert_close(
        self_distillation(student, teacher, torch.zeros(5), 0.1, 0.05),
        self_distillation(
            student, teacher.expand(-1, 3, -1), torch.zeros(5), 0.1, 0.05
        ),
    )


def test_nothing_to_distil() -> None:
    student = tokens(count=0, requires_grad=True)
    module = SelfDistillation(5)
    loss = module(student, tokens(count=0), 0.05, torch.ones(5))
    loss.backward()
    assert loss == 0 and not module.center.any()
    student = tokens(requires_grad=True)
    loss = self_distillation(
        student, tokens(), torch.zeros(5), 0.1, 0.05, torch.zeros(2, 3)
    )
    loss.backward()
    assert loss == 0 and not student.grad.any()


def test_gradients() -> None:
    student = tokens(dtype=torch.float64, requires_grad=True)
    teacher = tokens(dtype=torch.float64, requires_grad=True)
    center = torch.randn(5, dtype=torch.float64)
    torch.autograd.gradcheck(
        lambda x: self_distillation(x, teacher, center, 0.5, 0.3), student
    )
    self_distillation(student, teacher, center, 0.5, 0.3).backward()
    assert teacher.grad is None


def test_half_precision_and_compiled() -> None:
    student, teacher = tokens(), tokens()
    full = self_distillation(student, teacher, torch.zeros(5), 0.1, 0.05)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(
            self_distillation(student, teacher, torch.zeros(5), 0.1, 0.05), full
        )
    half = self_distillation(
        student.bfloat16(), teacher.bfloat16(), torch.zeros(5), 0.1, 0.05
    )
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, rtol=0.1, atol=0.1)


def test_center_is_used_before_it_moves() -> None:
    module = SelfDistillation(5, center_momentum=0.9)
    student, teacher, mean = tokens(), tokens(), torch.randn(5)
    loss = module(student, teacher, 0.05, mean)
    torch.testing.assert_close(
        loss, self_distillation(student, teacher, torch.zeros(5), 0.1, 0.05)
    )
    torch.testing.assert_close(module.center, 0.1 * mean)
    assert 'center' in module.state_dict()


@pytest.mark.parametrize(
    'change,message',
    [
        (dict(teacher=tokens(count=2)), 'must fit'),
        (dict(center=torch.zeros(4)), 'is channels of the loss'),
        (dict(student_temp=0.0), 'student 0.0'),
        (dict(teacher_temp=-1.0), 'teacher -1.0'),
        (dict(reduction='max'), "got 'max'"),
    ],
)
def test_bad_input(change: dict, message: str) -> None:
    good = dict(
        student=tokens(),
        teacher=tokens(),
        center=torch.zeros(5),
        student_temp=0.1,
        teacher_temp=0.05,
    )
    with pytest.raises(ValueError, match=message):
        self_distillation(**(good | change))


def test_bad_momentum() -> None:
    with pytest.raises(ValueError, match='got 1.5'):
        SelfDistillation(5, center_momentum=1.5)


# ------------------------------------------------------------------ plain cross entropy
def test_pixel_cross_entropy() -> None:
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    label = torch.randint(0, 3, (2, 4, 4))
    label[0, 0] = 255
    loss = PixelCrossEntropy()(logits, label)
    torch.testing.assert_close(loss, F.cross_entropy(logits, label, ignore_index=255))
    empty = pixel_cross_entropy(logits, torch.full((2, 8, 8), 255))
    empty.backward()
    assert empty == 0 and not logits.grad.any()
    torch.autograd.gradcheck(
        lambda x: pixel_cross_entropy(x, label),
        logits.detach().double().requires_grad_(),
    )
    assert pixel_cross_entropy(logits.bfloat16(), label).dtype == torch.float32
    with pytest.raises(ValueError, match=r'got \(2, 3, 4, 4\) and \(4, 4\)'):
        pixel_cross_entropy(logits, label[0])
