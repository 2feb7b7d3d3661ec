# Licensed under Apache-2.0.
"""Weights of Wide-ResNet-38 and of EPS: key maps, and the reader of public files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mmwsss.io.checkpoint import load_checkpoint_file
from mmwsss.io.mxnet_params import is_mxnet_params, read_mxnet_params

from .vit_keys import Rules, rename_keys

HINT = (
    'The ImageNet weights of Wide-ResNet-38 must be fetched first '
    '(configs/eps/README.md), then name their file: --cfg-options '
    'model.backbone.pretrained=FILE'
)
#: MXNet's names of a norm's tensors → PyTorch's
_NORM = (
    ('gamma', 'weight'),
    ('beta', 'bias'),
    (r'\w*mean', 'running_mean'),
    (r'\w*var', 'running_var'),
)
#: MXNet → the public .pth layout
MXNET_WR38: Rules = (
    (r'conv1a_weight', r'conv1a.weight'),
    (r'res(\d)a_branch(\w+)_weight', r'b\1.conv_branch\2.weight'),
    (r'res(\d)b(\d+)_branch(\w+)_weight', r'b\1_\2.conv_branch\3.weight'),
    (r'linear1000_(weight|bias)', None),
    *(
        (rf'bn(\d)a_branch([^_]+)_{theirs}', rf'b\1.bn_branch\2.{ours}')
        for theirs, ours in _NORM
    ),
    *(
        (rf'bn(\d)b(\d+)_branch([^_]+)_{theirs}', rf'b\1_\2.bn_branch\3.{ours}')
        for theirs, ours in _NORM
    ),
    *((rf'bn7_{theirs}', rf'bn7.{ours}') for theirs, ours in _NORM),
)
#: the public .pth layout: our own names, and classifiers that aren't the backbone's
PUBLIC_WR38: Rules = (
    (r'(conv1a\.weight|bn7\.\w+)', r'\1'),
    (r'(b\d(_\d+)?\.(conv|bn)_branch\w+\.\w+)', r'\1'),
    (r'(fc8|fc9|fc8_\w+|linear1000)\..*', None),
)


def convert_mxnet_wr38(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """MXNet's Wide-ResNet-38 A1 → keys of ``WideResNet38``.

    Nothing is transposed; the ImageNet classifier is dropped.

    Raises:
        ValueError: if a name isn't of that layout.
    """
    return rename_keys({k.split(':', 1)[-1]: v for k, v in state.items()}, MXNET_WR38)


def convert_eps(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """EPS's released checkpoints → keys of :class:`~mmwsss.methods.eps.eps.EPS`.

    The DDP prefix ``module.`` is dropped.

    Raises:
        ValueError: if a key isn't of that layout.
    """
    state = {key.removeprefix('module.'): value for key, value in state.items()}
    if 'fc8.weight' not in state:
        raise ValueError('fc8.weight is missing: it is no checkpoint of EPS')
    backbone = rename_keys(state, PUBLIC_WR38)
    return {f'backbone.{k}': v for k, v in backbone.items()} | {
        'cam_head.classifier.weight': state['fc8.weight']
    }


def unwrap_wide_resnet(state: Mapping) -> dict[str, Tensor]:
    """Find Wide-ResNet-38 weights in any public file: MXNet's, .pth, mmwsss.

    Args:
        state: the loaded file: bare tensors, or nested under ``state_dict``
            (mmengine), there possibly with a ``backbone.`` prefix.

    Returns:
        Keys of :class:`~mmwsss.models.backbones.wide_resnet38.WideResNet38`.

    Raises:
        ValueError: if these aren't named tensors or the names are of no known layout.
    """
    if not isinstance(state, Mapping):
        raise ValueError(f'it holds a {type(state).__name__}, not named tensors')
    if isinstance(state.get('state_dict'), Mapping):
        state = state['state_dict']
    state = {k.removeprefix('module.'): torch.as_tensor(v) for k, v in state.items()}
    if any(key.startswith('backbone.') for key in state):
        state = {
            k.removeprefix('backbone.'): v
            for k, v in state.items()
            if k.startswith('backbone.')
        }
    if any(key.split(':', 1)[-1].startswith(('conv1a_', 'res2')) for key in state):
        return convert_mxnet_wr38(state)
    return rename_keys(state, PUBLIC_WR38)


def load_wide_resnet(path: str) -> dict[str, Tensor]:
    """Weights of the backbone from a file of any public layout; nothing is unpickled.

    Args:
        path: MXNet's ``.params`` file (a path), or a ``.pth`` (a path or URL).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming the file, if it is of no known layout.
    """
    local = Path(path).expanduser()
    mxnet = local.is_file() and is_mxnet_params(local)
    try:
        content = (
            read_mxnet_params(local)
            if mxnet
            else load_checkpoint_file(path, map_location='cpu')
        )
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{error} {HINT}') from error
    try:
        return unwrap_wide_resnet(content)
    except ValueError as error:
        raise ValueError(f'{path} holds no Wide-ResNet-38: {error}') from error
