# Licensed under Apache-2.0.
"""Every released key is placed, every key of our full-size models is filled."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmwsss.methods.weclip.weclip_keys import convert_weclip
from mmwsss.models.converters.clip_keys import convert_clip_vision
from mmwsss.registry import MODELS

CONFIGS = dict(voc='weclip_vit-b_voc', coco='weclip_vit-b_coco')


def released(data, name: str) -> dict[str, Tensor]:
    shapes = [tuple(int(n) for n in row if n >= 0) for row in data[f'{name}_shapes']]
    keys = map(str, data[f'{name}_keys'])
    return {
        key: torch.empty(shape, device='meta')
        for key, shape in zip(keys, shapes, strict=True)
    }


def full_size(name: str) -> nn.Module:
    init_default_scope('mmwsss')
    with torch.device('meta'):
        return MODELS.build(Config.fromfile(f'configs/weclip/{name}.py').model)


def shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items()}


@pytest.mark.parametrize('name', CONFIGS)
def test_layout(golden, name: str) -> None:
    """A checkpoint of ours is what is trained, and nothing else."""
    data = golden('weclip_checkpoint_layout')
    model = full_size(CONFIGS[name])
    ours = shapes(model.state_dict())
    assert shapes(convert_weclip(released(data, name))) == ours
    trained = {key for key, p in model.named_parameters() if p.requires_grad}
    assert trained == set(ours)
    named = {str(key): torch.empty(0) for key in data[f'{name}_trained']}
    assert set(convert_weclip(named)) == trained


def test_the_encoder_of_a_released_file(golden) -> None:
    """The CLIP that it carries along is the one of our backbone."""
    data = golden('weclip_checkpoint_layout')
    model = full_size(CONFIGS['voc'])
    clip = released(data, 'clip')
    ours = dict(model.backbone.state_dict())
    assert shapes(convert_clip_vision(clip)) == shapes(ours)


def test_a_table_of_the_last_crop() -> None:
    """Appears in released files after the first pass; dropped as all of CLIP."""
    given = {'encoder.visual.positional_embedding_new': torch.empty(401, 768)}
    assert convert_weclip(given) == {}
    with pytest.raises(ValueError, match='classifier.weight'):
        convert_weclip({'classifier.weight': torch.empty(1)})


@pytest.mark.parametrize('name', ['voc', 'coco'])
def test_size_of_the_second_version(name: str) -> None:
    """WeCLIP+ trains 2.93 M values on VOC with DINOv2's ViT-S/14."""
    model = full_size(f'weclip-plus_vit-b_{name}')
    values = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert round(values / 1e6, 2) == dict(voc=2.93, coco=2.95)[name]
    assert {k.split('.')[0] for k in model.state_dict()} == {
        'decode_head',
        'dino_fusion',
    }
