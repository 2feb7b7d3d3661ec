# Licensed under Apache-2.0.
"""CLIP's towers: taps, attention, positions, probabilities."""

from __future__ import annotations

import pytest
import torch

from mmwsss.models.gradient_maps import text_probabilities
from tests.goldens.clip_model import (
    close,
    image_cases,
    map_first,
    state_dict,
    tiny_clip,
)


@pytest.fixture
def data(golden):
    return golden('clipes_network')


def test_stream_and_attention(data) -> None:
    model = tiny_clip(data)
    for case in image_cases(data):
        image = torch.from_numpy(data[f'{case}_image'])
        found = model.encode(image)
        close(found.extra['stream'].transpose(0, 1), data[f'{case}_tokens'])
        assert found.attention is not None
        close(found.attention.transpose(0, 1), data[f'{case}_attention'])
        last = model.last_block(found.extra['stream'])
        close(last.attention, data[f'{case}_attention_last'])
        close(model.ln1(last.tokens), data[f'{case}_post'])


def test_taps_of_all_blocks(data) -> None:
    model = tiny_clip(data)
    found = model.encode(torch.from_numpy(data['a_image']))
    assert len(found.maps) == len(data['a_blocks'])
    for tap, expected in zip(found.maps, data['a_blocks'], strict=True):
        close(tap, map_first(expected, tuple(tap.shape[-2:])).numpy())


def test_positions_in_half_precision(data) -> None:
    """Released: they are rounded, whatever the rest is."""
    image = torch.from_numpy(data['a_image'])
    stream = tiny_clip(data, position_rounding='half').encode(image).extra['stream']
    close(stream.transpose(0, 1), data['a_tokens_half_position'])


def test_probabilities(data) -> None:
    model = tiny_clip(data)
    texts = torch.from_numpy(data['text_one'])
    scale = state_dict(data)['logit_scale'].exp()
    for case in image_cases(data):
        stream = model.encode(torch.from_numpy(data[f'{case}_image'])).extra['stream']
        vectors = model.embed(model.last_block(stream).tokens)
        present = torch.ones(len(vectors), len(texts), dtype=torch.bool)
        close(text_probabilities(vectors, texts, scale, present), data[f'{case}_probs'])
