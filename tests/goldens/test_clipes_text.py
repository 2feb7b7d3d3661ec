# Licensed under Apache-2.0.
"""Words, prompts, tokens and class vectors of CLIP-ES."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.datasets.coco14 import COCO14WeakDataset
from mmwsss.datasets.voc12 import VOC12WeakDataset
from mmwsss.models.texts.clip_words import words_of
from mmwsss.models.texts.text_tower import averaged_vectors, text_tower, tokens_of
from tests.goldens.clip_model import close, state_dict


@pytest.mark.parametrize('name', ['voc', 'coco'])
def test_words_and_tokens(golden, name: str) -> None:
    """Of the class names that the release has, in its spelling."""
    data = golden('clipes_text')
    words = words_of(('background', *data[f'{name}_names'].tolist()))
    (template,) = words.templates
    assert template == str(data['template'])
    assert [w for (w,) in words.foreground] == data[f'{name}_fg'].tolist()
    assert list(words.background) == data[f'{name}_bg'].tolist()
    for kind, found in dict(
        fg=[w for (w,) in words.foreground], bg=words.background
    ).items():
        tokens = tokens_of(
            [template.format(word) for word in found], int(data['context_length'])
        )
        np.testing.assert_array_equal(tokens.numpy(), data[f'{name}_{kind}_tokens'])


def test_our_data_sets_have_these_words(golden) -> None:
    """COCO's own spelling of its names changes nothing."""
    data = golden('clipes_text')
    for name, kind in dict(voc=VOC12WeakDataset, coco=COCO14WeakDataset).items():
        words = words_of(kind.METAINFO['classes'])
        assert [w for (w,) in words.foreground] == data[f'{name}_fg'].tolist()
        assert list(words.background) == data[f'{name}_bg'].tolist()


def test_vectors(golden) -> None:
    data = golden('clipes_network')
    tower = text_tower(state_dict(data), int(data['text_heads']))
    tokens = torch.from_numpy(data['tokens']).long()
    close(tower.encode_text(tokens[0]), data['text_raw'])
    close(averaged_vectors(tower, tokens[:1]), data['text_one'])
    close(averaged_vectors(tower, tokens), data['text_three'])
