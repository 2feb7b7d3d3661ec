# Licensed under Apache-2.0.
"""Weights that can't be right are refused by name, in few lines."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmwsss.io.published import compare_classes, saved_classes
from mmwsss.io.weights import CheckpointMismatch, compare_weights


def network(width: int) -> nn.Module:
    layers = (nn.Linear(width, width), nn.LayerNorm(width))
    return nn.Sequential(*(part for _ in range(40) for part in layers))


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_nan_is_named(value) -> None:
    model = network(4)
    state = model.state_dict()
    state['3.weight'] = torch.full((4,), value)
    with pytest.raises(CheckpointMismatch, match=r'NaN or infinite.*3\.weight and 0'):
        compare_weights(model, state)


def test_another_width_is_said_shortly() -> None:
    with pytest.raises(CheckpointMismatch) as error:
        compare_weights(network(8), network(4).state_dict(), 'small.pth')
    text = str(error.value)
    assert 'network of width 4, the model has 8' in text
    assert len(text.splitlines()) < 10 and 'and 157 more' in text


def test_classes_in_another_order() -> None:
    saved = saved_classes(dict(meta=dict(dataset_meta=dict(classes=['bg', 'a', 'b']))))
    compare_classes(saved, ('bg', 'a', 'b'), 'x.pth')
    compare_classes(saved, None, 'x.pth')
    compare_classes(saved_classes(dict(state_dict={})), ('bg', 'b', 'a'), 'x.pth')
    with pytest.raises(CheckpointMismatch, match=r'x\.pth was trained with'):
        compare_classes(saved, ('bg', 'b', 'a'), 'x.pth')
