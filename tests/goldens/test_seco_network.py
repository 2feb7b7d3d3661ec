# Licensed under Apache-2.0.
"""SeCo's whole network, through the checkpoint converter."""

from __future__ import annotations

import pytest
import torch

from mmwsss.methods.seco.seco import SeCo
from mmwsss.methods.seco.seco_keys import convert_seco
from tests.goldens.seco_model import below, close, tensors, tiny_seco


def test_network(golden) -> None:
    data = golden('seco_network')
    model = tiny_seco(data).eval()
    images = [name for name in data if name.endswith('_image')]
    assert images
    for name in images:
        check(model, data, name.removesuffix('_image'))


def check(model: SeCo, data, case: str) -> None:
    """One picture, whose sides needn't be multiples of the patch."""
    with torch.no_grad():
        features = model.encode(torch.from_numpy(data[f'{case}_image']))
        cam, aux = model.cam_logits(features)
        outputs = dict(
            cls_token=features.cls_token,
            fmap=features.maps[-1],
            cls=model.cam_head(features.maps),
            cls_aux=model.aux_cam_head(features.maps),
            seg=model.seg_logits(features),
            cam=cam,
            cam_aux=aux,
        )
    for name, value in outputs.items():
        close(value, data[f'{case}_{name}'])


def test_memory_comes_with_the_network(golden) -> None:
    data = golden('seco_network')
    memory = tiny_seco(data).memory
    close(memory.features, data['sd.queue'], 0)
    close(memory.prototypes, data['sd.prototypes'], 0)
    assert memory.tags.tolist() == data['sd.queue_label_flag'][:, 0].tolist()
    assert int(memory.pointer) == int(data['sd.queue_ptr'][0])
    assert bool(memory.filled.all())


def test_unknown_key_is_refused(golden) -> None:
    state = tensors(below(golden('seco_network'), 'sd.'))
    with pytest.raises(ValueError, match=r'decoder\.c0\.scale'):
        convert_seco(state | {'decoder.c0.scale': torch.zeros(1)})
