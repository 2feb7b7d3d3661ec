# Licensed under Apache-2.0.
"""A plain ViT's file becomes tokens of classes; positions of other grids."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mmwsss.methods.more.token_per_class_vit import TokenPerClassViT
from tests.goldens.more_model import below, cases, close, tensors


def vit_of(one: dict[str, np.ndarray], patch: int) -> TokenPerClassViT:
    """A tiny backbone of the file's width, tokens and grid."""
    spare = one['random_positions'].shape[1]
    tokens, width = int(one['tokens']), one['cls_token'].shape[-1]
    side = round((one['positions'].shape[1] - tokens) ** 0.5)
    return TokenPerClassViT(
        num_tokens=tokens - spare,
        spare_tokens=spare,
        arch=dict(
            embed_dims=width, num_layers=1, num_heads=1, feedforward_channels=width
        ),
        img_size=side * patch,
        patch_size=patch,
        out_indices=(0,),
    )


def test_pretrained(golden, monkeypatch) -> None:
    data = golden('more_pretrained')
    names = cases(data)
    assert names
    for name in names:
        check(below(data, f'{name}/'), int(data['patch']), data['sizes'], monkeypatch)


def check(one, patch: int, sizes: np.ndarray, monkeypatch) -> None:
    model, plain = vit_of(one, patch), tensors(one)
    drawn: Tensor = plain['random_positions']
    monkeypatch.setattr(model, 'spare_positions', lambda: drawn)
    state = model.fit_pretrained(
        {k: plain[k].clone() for k in ('cls_token', 'pos_embed')}
    )
    close(state['cls_token'], one['class_tokens'])
    close(state['pos_embed'], one['positions'])
    model.load_state_dict(state, strict=False)
    for number, size in enumerate(sizes.tolist()):
        grid = (size[0] // patch, size[1] // patch)
        with torch.no_grad():
            close(model.positions(tuple(size), grid), one[f'interp_{number}'])


@pytest.mark.parametrize('name', ['same', 'larger'])
def test_a_file_with_tokens_of_classes_is_taken_as_it_is(golden, name: str) -> None:
    data = golden('more_pretrained')
    one = below(data, f'{name}/')
    model = vit_of(one, int(data['patch']))
    given = {k: v.clone() for k, v in model.state_dict().items()}
    again = model.fit_pretrained(dict(given))
    assert all(torch.equal(again[k], given[k]) for k in given)
