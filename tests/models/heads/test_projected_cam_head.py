# Licensed under Apache-2.0.
from __future__ import annotations

import torch

from mmwsss.models.heads.projected_cam_head import ProjectedCAMHead


def head(**kwargs) -> ProjectedCAMHead:
    torch.manual_seed(0)
    return ProjectedCAMHead(6, 3, channels=4, pooling='avg', background=True, **kwargs)


def test_shapes() -> None:
    module, maps = head(), (torch.randn(2, 6, 5, 7),)
    assert module(maps).shape == (2, 3)
    assert module.cam(maps).shape == module.dense(maps).shape == (2, 4, 5, 7)
    assert module.source(maps).shape == (2, 4, 5, 7) and module.source(maps).min() >= 0
    assert not module.cam(maps).requires_grad and module.dense(maps).requires_grad


def test_the_image_score_is_the_mean_of_the_maps() -> None:
    module, maps = head(), (torch.randn(2, 6, 5, 7),)
    torch.testing.assert_close(module(maps), module.dense(maps).mean((2, 3))[:, :3])


def test_the_norm_rests() -> None:
    module = head().train()
    before = {k: v.clone() for k, v in module.norm.state_dict().items()}
    module.dense((5 + torch.randn(2, 6, 5, 7),)).sum().backward()
    assert not module.norm.training and module.training
    assert all(torch.equal(v, before[k]) for k, v in module.norm.state_dict().items())
    trained = {k for k, p in module.named_parameters() if p.grad is not None}
    assert trained == {'projection.weight', 'classifier.weight'}
