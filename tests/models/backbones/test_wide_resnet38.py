# Licensed under Apache-2.0.
"""Wide-ResNet-38: shapes, freezing, and its weights from every public layout."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from mmwsss.models.backbones.wide_resnet38 import WideResNet38
from mmwsss.models.converters.wide_resnet_keys import convert_eps, convert_mxnet_wr38
from tests.helpers import ROOT
from tests.io.test_mxnet_params import container

TINY = dict(widths=(4, 8, 12, 16, 24, 40, 64))


def seeded(seed: int = 0, **settings) -> WideResNet38:
    """A tiny network with random weights and statistics."""
    torch.manual_seed(seed)
    net = WideResNet38(**TINY | settings)
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            value.copy_(
                torch.rand_like(value)
                if 'var' in name
                else 0.3 * torch.randn_like(value)
            )
    return net


def mxnet_name(key: str) -> str:
    """MXNet's name of a key, as its public file has it."""
    kinds = dict(
        weight='gamma',
        bias='beta',
        running_mean='moving_mean',
        running_var='moving_var',
    )
    unit, _, rest = key.partition('.')
    if unit == 'conv1a':
        return 'arg:conv1a_weight'
    layer, _, kind = rest.rpartition('.')
    stem = unit[1:].replace('_', 'b') if '_' in unit else f'{unit[1:]}a'
    if unit == 'bn7':
        return f'{"aux" if "running" in kind else "arg"}:bn7_{kinds[kind]}'
    kind_of, branch = layer.split('_')
    if kind_of == 'conv':
        return f'arg:res{stem}_{branch}_weight'
    return f'{"aux" if "running" in kind else "arg"}:bn{stem}_{branch}_{kinds[kind]}'


def weights(net: WideResNet38) -> dict[str, torch.Tensor]:
    """All but the counters, which no public file has."""
    return {k: v for k, v in net.state_dict().items() if 'num_batches' not in k}


@pytest.fixture
def mxnet(tmp_path):
    """The network and its weights as the public file has them, classifier included."""
    net = seeded()
    arrays = {mxnet_name(k): v.numpy() for k, v in weights(net).items()}
    assert len(arrays) == 191 and 'aux:bn4b3_branch2b1_moving_var' in arrays
    arrays |= {
        'arg:linear1000_weight': np.zeros((3, 64), np.float32),
        'arg:linear1000_bias': np.zeros(3, np.float32),
    }
    path = tmp_path / 'a1-0001.params'
    path.write_bytes(container(arrays))
    return net, path


def assert_same(net: WideResNet38, other: WideResNet38) -> None:
    for key, value in weights(net).items():
        assert torch.equal(value, other.state_dict()[key]), key


def test_mxnet_file_as_pretrained(mxnet) -> None:
    net, path = mxnet
    other = WideResNet38(**TINY, pretrained=str(path))
    other.init_weights()
    assert_same(net, other)


@pytest.mark.parametrize('kind', ['public', 'ours', 'converted'])
def test_pth_as_pretrained(mxnet, tmp_path, kind: str) -> None:
    """PSA's layout with a classifier and DDP's prefix; a checkpoint of a whole model;
    the converter's file."""
    net, source = mxnet
    path = tmp_path / 'weights.pth'
    if kind == 'converted':
        tool = 'tools/model_converters/wide_resnet38.py'
        done = subprocess.run(
            [sys.executable, tool, str(source), str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert not done.returncode, done.stderr
    elif kind == 'public':
        state = {f'module.{k}': v for k, v in weights(net).items()}
        torch.save(state | {'module.fc8.weight': torch.zeros(3, 64, 1, 1)}, path)
    else:
        state = {f'backbone.{k}': v for k, v in net.state_dict().items()}
        torch.save(dict(state_dict=state | {'cam_head.x': torch.zeros(1)}), path)
    other = WideResNet38(**TINY, pretrained=str(path))
    other.init_weights()
    assert_same(net, other)


def test_files_that_do_not_fit(mxnet, tmp_path) -> None:
    net, path = mxnet
    with pytest.raises(ValueError, match=r'a1-0001\.params does not fit.*widths'):
        WideResNet38(pretrained=str(path)).init_weights()
    bad = tmp_path / 'bad.pth'
    state = weights(net)
    state.pop('b4_3.conv_branch2a.weight')
    torch.save(state, bad)
    with pytest.raises(ValueError, match=r'1 keys are missing.*b4_3\.conv_branch2a'):
        WideResNet38(**TINY, pretrained=str(bad)).init_weights()
    torch.save({'layer1.0.conv1.weight': torch.zeros(1)}, bad)
    with pytest.raises(ValueError, match=r'bad\.pth holds no Wide-ResNet-38.*layout'):
        WideResNet38(**TINY, pretrained=str(bad)).init_weights()
    with pytest.raises(FileNotFoundError, match='nowhere.*backbone.pretrained=FILE'):
        WideResNet38(**TINY, pretrained=str(tmp_path / 'nowhere.params')).init_weights()
    with pytest.raises(ValueError, match=r'not of this layout.*res9x'):
        convert_mxnet_wr38({'res9x': torch.zeros(1)})
    with pytest.raises(ValueError, match='fc8.weight is missing'):
        convert_eps(weights(net))


@pytest.mark.parametrize(
    'size, grid', [((64, 64), (8, 8)), ((65, 81), (9, 11)), ((1, 1), (1, 1))]
)
def test_taps(size, grid) -> None:
    net = WideResNet38(**TINY, out_indices=(4, 5, 6)).eval()
    maps = net(torch.randn(1, 3, *size))
    assert [tuple(m.shape) for m in maps] == [(1, d, *grid) for d in net.embed_dims]
    assert net.embed_dims == (16, 24, 64) and all(m.min() >= 0 for m in maps)
    only = WideResNet38(**TINY, out_indices=(5,)).eval()
    only.load_state_dict(net.state_dict())
    image = torch.randn(1, 3, 40, 40)
    assert torch.equal(only(image)[0], net(image)[1])


@pytest.mark.parametrize(
    'stages, names',
    [
        (-1, ()),
        (0, ('conv1a',)),
        (1, ('conv1a', 'b2')),
        (3, ('conv1a', 'b2', 'b3', 'b4')),
    ],
)
def test_frozen_stages(stages: int, names: tuple) -> None:
    net = WideResNet38(**TINY, frozen_stages=stages).train()
    for key, parameter in net.named_parameters():
        frozen = key.split('.')[0].split('_')[0] in names
        assert parameter.requires_grad != frozen, key
    for key, module in net.named_modules():
        if isinstance(module, _BatchNorm):
            assert module.training == (key.split('.')[0].split('_')[0] not in names)


def test_norms_that_rest_and_norms_that_do_not() -> None:
    image = torch.randn(2, 3, 32, 32)
    for norm_eval in (True, False):
        net = WideResNet38(**TINY, norm_eval=norm_eval).train()
        before = net.bn7.running_mean.clone()
        net(image)
        assert torch.equal(before, net.bn7.running_mean) == norm_eval
        assert net.b7.dropout.training
    fixed = WideResNet38(**TINY, norm_cfg=dict(type='BN', requires_grad=False))
    assert not any(p.requires_grad for k, p in fixed.named_parameters() if 'bn' in k)


def test_dropout_drops_whole_channels() -> None:
    net = WideResNet38(**TINY, dropout=(0.5, 0.0), norm_eval=True).train()
    seen = []
    net.b6.conv_branch2b1.register_forward_hook(lambda _, x, __: seen.append(x[0]))
    net(torch.randn(1, 3, 64, 64))
    gone = (seen[0] == 0).all((2, 3))[0]
    assert gone.any() and not gone.all()


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(widths=(1, 2, 3)), 'widths must be 7 numbers'),
        (dict(widths=(4, 4, 4, 4, 4, 6, 8)), 'divisible by 4'),
        (dict(out_indices=(3,)), r'out_indices must be taken from \(4, 5, 6\)'),
        (dict(out_indices=(6, 4)), 'ascending'),
        (dict(out_indices=()), 'out_indices'),
        (dict(frozen_stages=7), 'frozen_stages must be in -1..6, got 7'),
    ],
)
def test_wrong_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WideResNet38(**TINY | settings)
