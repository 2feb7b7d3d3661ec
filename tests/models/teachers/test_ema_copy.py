# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch
from torch import nn

from mmwsss.models.teachers.ema_copy import EMACopy


@pytest.mark.parametrize('momentum,expected', [(0.9, 1.2), (0.0, 3.0), (1.0, 1.0)])
def test_moving_average(momentum: float, expected: float) -> None:
    student = nn.Linear(1, 1, bias=False)
    student.weight.data.fill_(1.0)
    teacher = EMACopy(student)
    student.weight.data.fill_(3.0)
    assert teacher.module.weight.item() == 1.0  # a copy
    teacher.follow(student, momentum)
    assert teacher.module.weight.item() == pytest.approx(expected)
    assert student.weight.item() == 3.0


def test_start_from() -> None:
    student, teacher = nn.Linear(2, 2), EMACopy(nn.Linear(2, 2))
    teacher.start_from(student)
    x = torch.randn(3, 2)
    assert torch.equal(teacher(x), student(x))


def test_no_gradient_and_no_place_in_the_optimizer() -> None:
    student = nn.Linear(2, 2)
    teacher = EMACopy(student)
    assert not any(p.requires_grad for p in teacher.parameters())
    assert student.weight.requires_grad
    assert not teacher(torch.randn(3, 2, requires_grad=True)).requires_grad


def test_frozen_weights_of_the_student_follow_too() -> None:
    student = nn.Linear(1, 1)
    student.bias.requires_grad_(False)
    teacher = EMACopy(student)
    student.bias.data += 1.0
    teacher.start_from(student)
    assert torch.equal(teacher.module.bias, student.bias)


def test_state_dict_holds_the_teacher() -> None:
    student = nn.Linear(2, 2)
    teacher, other = EMACopy(student), EMACopy(nn.Linear(2, 2))
    assert set(teacher.state_dict()) == {'module.weight', 'module.bias'}
    other.load_state_dict(teacher.state_dict(), strict=True)
    assert torch.equal(other.module.weight, student.weight)
