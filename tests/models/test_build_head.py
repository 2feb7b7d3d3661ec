# Licensed under Apache-2.0.
"""Heads take their width from the backbone; one setting changes the network."""

from __future__ import annotations

import pytest
from torch import nn

from mmwsss.io.errors import UserError
from mmwsss.methods.afa.mlp_head import MLPHead
from mmwsss.models.build_head import build_head, width_read
from mmwsss.models.heads.cam_head import CAMHead
from mmwsss.registry import MODELS
from mmwsss.testing import load_config

CAM = dict(type='CAMHead', num_classes=2)


class Backbone(nn.Module):
    map_widths = (4, 6, 8)


class Unknown(nn.Module):
    """A backbone that says nothing."""


@pytest.mark.parametrize(
    'kind,cfg,expected',
    [
        (CAMHead, {}, 8),
        (CAMHead, dict(in_index=0), 4),
        (CAMHead, dict(in_index=(0, 2)), [4, 8]),
        (MLPHead, {}, [4, 6, 8]),
        (MLPHead, dict(in_index=[1]), [6]),
    ],
)
def test_width_read(kind, cfg, expected) -> None:
    assert width_read(kind, cfg, Backbone.map_widths) == expected


def test_taken_from_the_backbone() -> None:
    assert build_head(CAM, Backbone(), 'cam_head').classifier.in_channels == 8
    decoder = dict(type='mmseg.FCNHead', channels=5, num_convs=1, num_classes=2)
    assert build_head(decoder, Backbone(), 'decode_head').in_channels == 8
    assert build_head(None, Backbone(), 'cam_head') is None


def test_a_named_width_must_be_the_right_one() -> None:
    named = {**CAM, 'in_channels': 8}
    assert build_head(named, Backbone(), 'cam_head').classifier.in_channels == 8
    with pytest.raises(UserError, match='in_channels=7.* 8 channels: leave in_channel'):
        build_head({**CAM, 'in_channels': 7}, Backbone(), 'cam_head')


def test_a_backbone_that_says_nothing() -> None:
    named = {**CAM, 'in_channels': 7}
    assert build_head(named, Unknown(), 'cam_head').classifier.in_channels == 7
    with pytest.raises(UserError, match=r'set model\.cam_head\.in_channels'):
        build_head(CAM, Unknown(), 'cam_head')


def test_a_map_that_is_not_there() -> None:
    with pytest.raises(UserError, match='in_index=3 of a backbone that gives 3'):
        build_head({**CAM, 'in_index': 3}, Backbone(), 'cam_head')


@pytest.mark.parametrize(
    'config', ['toco/toco_deit-t_animals.py', 'fsr/fsr_deit-t_animals.py']
)
def test_arch_alone_changes_all_widths(config) -> None:
    cfg = load_config(f'configs/{config}').model
    cfg.backbone.arch = 'deit-small'
    cfg.backbone.pretrained = None  # that of the other width fits no longer
    model = MODELS.build(cfg)
    assert model.cam_head.classifier.in_channels == 384
    assert model.aux_cam_head.classifier.in_channels == 384
    assert model.decode_head.conv6.in_channels == 384
    assert model.proj_head.mlp[0].in_features == 384


def test_maps_are_as_wide_as_their_backbone_says() -> None:
    import torch

    vit = dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=24)
    for cfg in (
        dict(type='WSSSViT', arch=vit, img_size=32, out_indices=(0, 1)),
        dict(type='WSSSMiT', embed_dims=(8, 8, 16, 24), num_heads=(1, 1, 2, 2),
             num_layers=(1, 1, 1, 2)),
        dict(type='WSSSResNet', depth=18),
        dict(type='WideResNet38', widths=(4, 8, 8, 8, 16, 16, 32), out_indices=(4, 6)),
    ):  # fmt: skip
        backbone = MODELS.build(cfg).eval()
        maps = backbone(torch.zeros(1, 3, 64, 64))
        assert backbone.map_widths == tuple(part.shape[1] for part in maps)
