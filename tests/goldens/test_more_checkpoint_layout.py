# Licensed under Apache-2.0.
"""Every released key is placed, every key of our full-size models is filled."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from mmwsss.engine.optimizers.merged_constructor import MergedOptimWrapperConstructor
from mmwsss.methods.more.more_keys import convert_more
from mmwsss.registry import MODELS

CONFIGS = dict(voc='more_vit-b_voc', coco='more_vit-b_coco')


def released(data, name: str) -> dict[str, torch.Tensor]:
    shapes = [tuple(int(n) for n in row if n >= 0) for row in data[f'{name}_shapes']]
    keys = map(str, data[f'{name}_keys'])
    return {
        key: torch.empty(shape, device='meta')
        for key, shape in zip(keys, shapes, strict=True)
    }


@pytest.mark.parametrize('name', CONFIGS)
def test_layout(golden, name: str) -> None:
    data = golden('more_checkpoint_layout')
    cfg = Config.fromfile(f'configs/more/{CONFIGS[name]}.py')
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    converted = convert_more(released(data, name))
    ours = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    assert {k: tuple(v.shape) for k, v in converted.items()} == ours


@pytest.mark.parametrize('name', CONFIGS)
def test_optimiser_groups(golden, name: str) -> None:
    """As many trained tensors in a group as released, but those that nothing reads.

    Released: encoder without and with "norm" (which have one rate), classifiers, graph,
    decoder. Two tensors of the encoder and two of the graph are never called.
    """
    encoder, norms, heads, graph, decoder = golden('more_checkpoint_layout')[
        f'{name}_group_sizes'
    ].tolist()
    cfg = Config.fromfile(f'configs/more/{CONFIGS[name]}.py')
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    wrapper = cfg.optim_wrapper.copy()
    wrapper.pop('constructor')
    paramwise = wrapper.pop('paramwise_cfg')
    optimizer = MergedOptimWrapperConstructor(wrapper, paramwise)(model).optimizer
    names = {id(p): name for name, p in model.named_parameters()}
    count: dict[tuple[str, float], int] = {}
    for group in optimizer.param_groups:
        assert group['weight_decay'] == 0.01
        for parameter in (p for p in group['params'] if p.requires_grad):
            part = names[id(parameter)].split('.')[0]
            count[part, group['lr']] = count.get((part, group['lr']), 0) + 1
    rate = cfg.optim_wrapper.optimizer.lr
    parts = ('cam_head', 'aux_cam_head', 'graph', 'decode_head')
    assert dict(count.keys()) == dict.fromkeys(parts, 10 * rate) | dict(backbone=rate)
    total = {part: number for (part, _), number in count.items()}
    assert total['backbone'] == encoder + norms - 2
    assert total['cam_head'] + total['aux_cam_head'] == heads
    assert total['graph'] == graph - 2
    assert total['decode_head'] == decoder
