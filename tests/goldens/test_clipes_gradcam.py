# Licensed under Apache-2.0.
"""GradCAM of every class and background word, in one batched pass."""

from __future__ import annotations

import pytest
import torch

from mmwsss.models.gradient_maps import (
    gradient_weighted,
    slot_gradients,
    text_probabilities,
    twice_normalised,
)
from tests.goldens.clip_model import close, image_cases, state_dict, tiny_clip


@pytest.fixture
def data(golden):
    return golden('clipes_gradcam')


def test_every_class(golden, data) -> None:
    network = golden(str(data['weights_file']))
    model = tiny_clip(network)
    scale = state_dict(network)['logit_scale'].exp()
    texts = torch.from_numpy(data['text'])
    for case in image_cases(data):
        stream = model.encode(torch.from_numpy(data[f'{case}_image'])).extra['stream']
        close(stream.transpose(0, 1), data[f'{case}_tokens'])
        last = model.last_block(stream)
        close(last.attention, data[f'{case}_attention_last'])
        present = torch.ones(1, len(texts), dtype=torch.bool)
        probs = text_probabilities(model.embed(last.tokens), texts, scale, present)
        close(probs, data[f'{case}_probs'])
        patches = slot_gradients(probs, last.activation)[:, :, 1:]
        activation = last.activation.detach()[:, 1:]
        close(activation.mT, data[f'{case}_activation'])
        close(patches[:, 0].mT, data[f'{case}_gradient'])
        close(patches[:, 0].mean(1), data[f'{case}_weights'])
        raw = gradient_weighted(activation, patches)
        close(raw, data[f'{case}_raw'])
        grid = data[f'{case}_cam'].shape[-2:]
        cam = twice_normalised(raw.unflatten(2, grid), float(data['eps']))
        close(cam, data[f'{case}_cam'], 5e-5)


def test_a_batch_equals_its_images(golden, data) -> None:
    """Two pictures of one size at once, each as alone."""
    network = golden(str(data['weights_file']))
    model = tiny_clip(network)
    texts = torch.from_numpy(data['text'])
    image = torch.from_numpy(data['a_image'])
    both = torch.cat([image, image.flip(-1)])

    def gradients(images: torch.Tensor) -> torch.Tensor:
        last = model.last_block(model.encode(images).extra['stream'])
        present = torch.ones(len(images), len(texts), dtype=torch.bool)
        probs = text_probabilities(model.embed(last.tokens), texts, 12.0, present)
        return slot_gradients(probs, last.activation)

    together = gradients(both)
    for i in range(2):
        close(together[:, i], gradients(both[i : i + 1])[:, 0].numpy())
