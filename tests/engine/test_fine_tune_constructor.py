# Licensed under Apache-2.0.
"""Four groups of an optimizer: pretrained or new, weight or other."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmwsss.engine.optimizers.slip_sgd import SlipSGD
from mmwsss.testing import build
from tests.helpers import ROOT

SEMFORMER = 'configs/semformer/semformer_deit-t_shapes.py'


def wrapper(model: nn.Module, **paramwise):
    return build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            constructor='FineTuneOptimWrapperConstructor',
            optimizer=dict(type='SGD', lr=1.0, weight_decay=0.5),
            paramwise_cfg=paramwise,
        ),
    )


def test_groups_of_semformer() -> None:
    """Gains of norms decay, positions and class tokens don't; all are there once."""
    model = build(SEMFORMER)
    settings = Config.fromfile(ROOT / SEMFORMER).optim_wrapper
    optimizer = build_optim_wrapper(model, settings).optimizer
    assert type(optimizer) is SlipSGD and optimizer.defaults['nesterov']
    base, decay = settings.optimizer.lr, settings.optimizer.weight_decay
    found = {
        id(p): (g['lr'] / base, g['weight_decay'])
        for g in optimizer.param_groups
        for p in g['params']
    }
    names = dict(model.named_parameters())
    assert (
        len(found)
        == len(names)
        == sum(len(g['params']) for g in optimizer.param_groups)
    )
    for name, expected in {
        'backbone.ln1.weight': (1, decay),
        'backbone.ln1.bias': (2, 0),
        'backbone.pos_embed': (2, 0),
        'backbone.class_tokens': (20, 0),
        'backbone.class_pos': (20, 0),
        'cam_head.classifier.weight': (10, decay),
        'cam_head.classifier.bias': (20, 0),
        'token_head.weight': (10, decay),
        'token_head.bias': (20, 0),
    }.items():
        assert found[id(names[name])] == pytest.approx(expected), name


def test_semantics_are_a_weight() -> None:
    model = build('configs/semformer/caae_deit-t_shapes.py')
    optimizer = wrapper(model).optimizer
    group = next(
        g
        for g in optimizer.param_groups
        if any(p is model.semantics.table_weight for p in g['params'])
    )
    assert (group['lr'], group['weight_decay']) == (10, 0.5)


@pytest.mark.parametrize(
    'paramwise,message',
    [
        (dict(custom_keys={}), r"reads .* of paramwise_cfg, got \['custom_keys'\]"),
        (dict(lr_mults=(1, 2)), r'lr_mults are those of .* got \(1, 2\)'),
        (dict(pretrained=('encoder',)), "pretrained names 'encoder', but no parameter"),
        (dict(new=('backbone.token',)), "new names 'backbone.token', but no parameter"),
    ],
)
def test_bad_settings(paramwise: dict, message: str) -> None:
    model = nn.ModuleDict(dict(backbone=nn.Linear(2, 2), head=nn.Linear(2, 2)))
    with pytest.raises(ValueError, match=message):
        wrapper(model, **paramwise)


def test_frozen_parameters_are_left_out() -> None:
    model = nn.ModuleDict(dict(backbone=nn.Linear(2, 2), head=nn.Linear(2, 2)))
    model['head'].bias.requires_grad_(False)
    groups = wrapper(model, other_decay_mult=1.0).optimizer.param_groups
    assert [(g['lr'], g['weight_decay'], len(g['params'])) for g in groups] == [
        (1.0, 0.5, 1),
        (2.0, 0.5, 1),
        (10.0, 0.5, 1),
    ]
