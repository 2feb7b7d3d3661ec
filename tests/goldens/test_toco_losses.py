# Licensed under Apache-2.0.
"""ToCo's losses against its own functions, values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.methods.toco.class_token_contrast import class_token_contrast
from mmwsss.models.losses.balanced_cross_entropy import balanced_cross_entropy
from mmwsss.models.losses.patch_token_contrast import patch_token_contrast
from tests.goldens.toco_model import close

GRAD_RTOL = 1e-4


@pytest.mark.parametrize('case', ['a', 'b', 'only_pos', 'all_ignored'])
def test_patch_token_contrast(golden, case: str) -> None:
    data = golden('toco_ptc_loss')
    tokens = torch.from_numpy(data[f'{case}_feat']).requires_grad_()
    loss = patch_token_contrast(tokens, torch.from_numpy(data[f'{case}_mask']))
    close(loss, data[f'{case}_loss'])
    loss.backward()
    close(tokens.grad, data[f'{case}_grad'], GRAD_RTOL)


def test_class_token_contrast(golden) -> None:
    data = golden('toco_ctc_loss')
    names = [k.removeprefix('loss_temp') for k in data if k.startswith('loss_temp')]
    assert names
    for name in names:
        student = torch.from_numpy(data['student']).requires_grad_()
        loss = class_token_contrast(
            student,
            torch.from_numpy(data['teacher']),
            torch.from_numpy(data['flags']),
            float(name),
        )
        close(loss, data[f'loss_temp{name}'])
        loss.backward()
        close(student.grad, data[f'grad_student_temp{name}'], GRAD_RTOL)


@pytest.mark.parametrize('case', ['mixed', 'no_fg', 'no_bg'])
def test_balanced_cross_entropy(golden, case: str) -> None:
    data = golden('toco_seg_loss')
    logits = torch.from_numpy(data['logits']).requires_grad_()
    label = torch.from_numpy(data[f'{case}_label'].astype(np.int64))
    loss = balanced_cross_entropy(logits, label)
    loss.backward()
    if case == 'mixed':
        close(loss, data['mixed_loss'])
        close(logits.grad, data['mixed_grad'], GRAD_RTOL)
    else:
        assert np.isnan(data[f'{case}_loss'])  # what a plain mean over nothing gives
        close(loss, data[f'{case}_loss_empty_half_as_zero'])
        assert torch.isfinite(logits.grad).all()
