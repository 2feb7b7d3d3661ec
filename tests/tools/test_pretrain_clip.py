# Licensed under Apache-2.0.
"""The tiny CLIP of Shapes: captions, a few iterations, and its file."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.io.errors import UserError
from mmwsss.models.converters.clip_file import read_clip_file
from mmwsss.models.texts.clip_words import words_of
from mmwsss.models.texts.text_tower import class_vectors, text_tower
from mmwsss.pipeline.inference import init_model
from tests.helpers.tools import load_tool as converter
from tests.helpers.training import ROOT

SHAPES = 'configs/clip_es/clip-es_vit-t_shapes.py'
SHIPPED = 'demo/weights/clip-t_shapes.pth'


@pytest.fixture
def tool(load_tool):
    load_tool(ROOT / 'tools/misc/pretrain_tiny.py')
    return load_tool(ROOT / 'tools/misc/pretrain_clip.py')


def test_captions_are_true_of_what_is_there(tool) -> None:
    captions = tool.Captions()
    index = {text: i for i, text in enumerate(captions.texts)}
    names = list(tool.PATTERNS)
    dots, grid = names.index('dots'), names.index('grid')
    textures = torch.tensor([[dots, dots, grid, -1], [grid, grid, grid, grid]])
    outlines = torch.tensor([[1, 0, 2, 0], [0, 0, 0, 0]])
    outline = list(tool.OUTLINES)
    true = captions.true_of(textures, outlines)
    expected = {
        'dots': (1, 0),
        'grid': (1, 1),
        'rings': (0, 0),
        'two dots': (1, 0),
        'two grid': (0, 1),
        'three grid': (0, 1),
        f'dots on a {outline[1]}': (1, 0),
        f'grid on a {outline[1]}': (0, 0),
        'clutter': (1, 0),
        'ground and clutter': (1, 0),
    }
    for text, row in expected.items():
        assert true[:, index[text]].tolist() == list(row), text


def test_it_learns_and_its_file_is_read(tool, load_tool, tmp_path) -> None:
    """From the tiny ViT; every parameter of both towers gets a gradient."""
    torch.manual_seed(0)
    tiny = load_tool(ROOT / 'tools/misc/pretrain_tiny.py')
    pictures = tiny.draw_pictures(24, seed=1)
    captions = tool.Captions()
    model = tool.TinyCLIP(captions, str(ROOT / 'demo/weights/vit-t_shapes.pth'))
    rng = np.random.default_rng(0)
    images, told, true = tool.draw_batch(pictures, captions, 4, rng)
    mosaics = tiny.mosaic(tiny.normalise(images.float()))
    assert true.any(0).all()
    optimizer, losses = tiny.build_optimizer(model, 1e-3), []
    for _ in range(4):
        loss = model.loss(mosaics, captions.tokens[told], true)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    path = tmp_path / 'clip.pth'
    tool.save_clip(model, captions, path)
    state = read_clip_file(str(path))
    words = words_of(('background', 'dots'), dict(background=['clutter']))
    found = class_vectors(text_tower(state), words)
    tokens = captions.tokens[[captions.texts.index('dots')]]
    with torch.no_grad():
        torch.testing.assert_close(
            found['foreground'], model.texts(tokens), atol=1e-2, rtol=1e-2
        )
    with pytest.raises(UserError, match="'a clean origami cat.' has words that"):
        words = words_of(('background', 'cat'), dict(background=['clutter']))
        class_vectors(text_tower(state), words)


def test_the_shipped_file_fits_its_config(tmp_path) -> None:
    target = tmp_path / 'ours.pth'
    converter('tools/model_converters/clip.py').main(
        [str(ROOT / SHIPPED), str(target), '--config', str(ROOT / SHAPES)]
    )
    model = init_model(str(ROOT / SHAPES), str(target))
    assert model.trained_classes[1:] == ('stripes', 'dots', 'check', 'rings', 'zigzag',
                                         'grid')  # fmt: skip
    assert (ROOT / SHIPPED).stat().st_size < 5e6
