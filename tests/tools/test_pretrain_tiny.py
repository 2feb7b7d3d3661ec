# Licensed under Apache-2.0.
"""Pretraining of the Shapes benchmark's tiny networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmwsss.registry import MODELS
from tests.helpers.training import ROOT

CONFIGS = [
    f'configs/{c}_shapes.py'
    for c in ('toco/toco_vit-t', 'afa/afa_mit-t', 'eps/eps_wr38-t')
]


@pytest.mark.parametrize('config', CONFIGS)
def test_any_backbone(config: str, load_tool, tmp_path) -> None:
    """All terms reach the backbone; its weights are read as `pretrained`."""
    tool = load_tool(ROOT / 'tools' / 'misc' / 'pretrain_tiny.py')
    torch.manual_seed(0)
    net = tool.build_net(str(ROOT / config))
    batch = tool.draw_pictures(8, seed=1)
    for mosaics in (False, True):
        net.zero_grad()
        loss = tool.step_loss(net, batch, np.random.default_rng(0), mosaics)
        loss.backward()
        assert torch.isfinite(loss)
        idle = {k for k, p in net.named_parameters() if p.grad is None}
        heads = ('inner_tile', 'final_tile') if not mosaics else ('inner_head',)
        assert all(k.startswith(heads) for k in idle), idle
    path = tmp_path / 'weights.pth'
    tool.save_backbone(net.backbone, path)
    cfg = Config.fromfile(ROOT / config).model.backbone
    cfg.pretrained = str(path)
    model = MODELS.build(cfg)
    model.init_weights()
    for key, value in net.backbone.state_dict().items():
        saved = value.half().float() if value.is_floating_point() else value
        torch.testing.assert_close(model.state_dict()[key], saved)


def test_learning_from_a_teacher(load_tool) -> None:
    """A constant errs by 1; the student's error falls and the teacher stays."""
    tool = load_tool(ROOT / 'tools' / 'misc' / 'pretrain_tiny.py')
    torch.manual_seed(0)
    net = tool.build_net(str(ROOT / CONFIGS[1]), str(ROOT / CONFIGS[0]))
    teacher = {k: v.clone() for k, v in net.matcher.teacher.state_dict().items()}
    batch = tool.draw_pictures(16, seed=1)
    images = tool.mosaic(tool.normalise(batch.images.float()))
    optimizer = tool.build_optimizer(net, 1e-3)
    errors = []
    for _ in range(12):
        loss = net.match_loss(images, (1, 2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
    assert errors[0] == pytest.approx(1, abs=0.01) and errors[-1] < 0.95
    for key, value in net.matcher.teacher.state_dict().items():
        assert torch.equal(value, teacher[key])


def test_a_teacher_needs_weights(load_tool, tmp_path) -> None:
    tool = load_tool(ROOT / 'tools' / 'misc' / 'pretrain_tiny.py')
    config = tmp_path / 'scratch.py'
    config.write_text(
        f"_base_ = ['{ROOT / CONFIGS[0]}']\n"
        'model = dict(backbone=dict(pretrained=None))\n'
    )
    with pytest.raises(ValueError, match=r'scratch\.py has no pretrained weights'):
        tool.build_teacher(str(config))
