# Licensed under Apache-2.0.
"""MoRe's whole network, through the checkpoint converter."""

from __future__ import annotations

import pytest
import torch

from mmwsss.methods.more.more import MoRe
from mmwsss.methods.more.more_keys import convert_more
from mmwsss.structures import ImageLabels
from tests.goldens.more_model import below, close, tensors, tiny_more


def test_network(golden) -> None:
    data = golden('more_network')
    model = tiny_more(data, backbone=dict(class_attention=True)).eval()
    images = [name for name in data if name.endswith('_image')]
    assert images
    for name in images:
        check(model, data, name.removesuffix('_image'))


def check(model: MoRe, data, case: str) -> None:
    """One picture; its sides needn't be multiples of the patch, nor equal."""
    with torch.no_grad():
        features = model.encode(torch.from_numpy(data[f'{case}_image']))
        cam, aux = model.cam_logits(features)
        tokens = model.category_tokens(features)
        outputs = dict(
            class_tokens=features.cls_token,
            patch_tokens=features.maps[-1].flatten(2).mT,
            aux_tokens=features.maps[0].flatten(2).mT,
            gcr_tokens=tokens,
            cls=model.cam_head(features.maps),
            cls_aux=model.aux_cam_head(features.maps),
            seg=model.seg_logits(features),
            cam=cam,
            cam_aux=aux,
            score_maps=features.attention,
        )
    for name, value in outputs.items():
        assert value is not None
        close(value, data[f'{case}_{name}'])


@pytest.mark.parametrize('lam', ['tokens', 'attention'])
def test_map_of_the_network(golden, lam: str) -> None:
    """The map is what its setting says, of the stored tokens or attention."""
    data = golden('more_network')
    model = tiny_more(data, backbone=dict(class_attention=True)).eval()
    model.lam = lam
    image = torch.from_numpy(data['c_image'])
    labels = ImageLabels.every_class(1, model.num_foreground)
    with torch.no_grad():
        ((found, *_),) = model.further_maps(model.encode(image), labels)
    stored = (
        torch.from_numpy(data['c_gcr_tokens'])
        @ torch.from_numpy(data['c_patch_tokens']).mT
    )
    expected = stored.numpy() if lam == 'tokens' else data['c_score_maps']
    close(found, expected.reshape(found.shape))


def test_keys_of_coco_are_nested(golden) -> None:
    state = tensors(below(golden('more_network'), 'sd.'))
    nested = dict(
        step=3,
        model_state_dict={f'module.{k}': v for k, v in state.items()},
        optimizer_state_dict={},
        lr=[0.1],
    )
    plain, found = convert_more(state), convert_more(nested)
    assert plain.keys() == found.keys()
    assert all(torch.equal(plain[k], found[k]) for k in plain)


@pytest.mark.parametrize('key', ['decoder.conv9.weight', 'graph_layer.W_head.weight'])
def test_unknown_keys_are_refused(golden, key: str) -> None:
    """The graph of the first public code is named as such."""
    state = tensors(below(golden('more_network'), 'sd.'))
    words = 'first public code' if 'W_head' in key else 'not of this layout'
    with pytest.raises(ValueError, match=words):
        convert_more(state | {key: torch.zeros(1)})
