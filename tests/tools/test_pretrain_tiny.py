# Licensed under Apache-2.0.
"""Pretraining of the Shapes benchmark's tiny networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmwsss.registry import MODELS
from tests.helpers.training import ROOT

CONFIGS = [f'configs/{c}_shapes.py' for c in (
    'toco/toco_vit-t', 'afa/afa_mit-t', 'eps/eps_wr38-t')]


@pytest.mark.parametrize('config', CONFIGS)
def test_any_backbone(config: str, load_tool, tmp_path) -> None:
    """All terms reach the backbone; its weights are read as `pretrained`."""
    tool = load_tool(ROOT / 'tools' / 'misc' / 'pretrain_tiny_vit.py')
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
