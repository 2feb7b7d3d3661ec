# Licensed under Apache-2.0.
"""Batch norm of one value is found before the training."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmseg.models.decode_heads import ASPPHead
from torch import nn
from torch.utils.data import DataLoader

from mmwsss.engine.batch_of_one import (
    norm_of_one_value,
    refuse_batch_of_one,
    smallest_batch,
)
from mmwsss.io.errors import UserError


def head(**norm) -> nn.Module:
    return ASPPHead(
        in_channels=8,
        channels=8,
        num_classes=2,
        dilations=(1, 2),
        norm_cfg=norm or dict(type='BN'),
        in_index=0,
    )


def test_the_training_that_would_stop_is_refused() -> None:
    model = head()
    with pytest.raises(ValueError, match='more than 1 value per channel'):
        model.train()([torch.randn(1, 8, 6, 6)])
    loader = DataLoader(range(4), batch_size=1)
    with pytest.raises(UserError, match='image_pool.*batch_size=2'):
        refuse_batch_of_one(model, SimpleNamespace(train_dataloader=loader))
    loader = DataLoader(range(4), batch_size=2)
    refuse_batch_of_one(model, SimpleNamespace(train_dataloader=loader))


def test_group_norm_may_have_one() -> None:
    model = head(type='GN', num_groups=2)
    model.train()([torch.randn(1, 8, 6, 6)])
    assert norm_of_one_value(model) is None
    assert norm_of_one_value(head()) == 'image_pool'


@pytest.mark.parametrize(
    ('count', 'batch', 'drop', 'smallest'),
    [(5, 4, False, 1), (5, 4, True, 4), (8, 4, False, 4), (6, 4, False, 2)],
)
def test_the_last_batch_counts(count, batch, drop, smallest) -> None:
    loader = DataLoader(range(count), batch_size=batch, drop_last=drop)
    assert smallest_batch(loader) == smallest
