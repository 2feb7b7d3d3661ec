# Licensed under Apache-2.0.
"""Settings for a network reach the one inside."""

from __future__ import annotations

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.cli.inference_options import apply_post_processor, apply_tta, segmentor_cfg
from mmwsss.methods.smaf.smaf import MultiScaleSelfTraining
from mmwsss.registry import MODELS
from tests.helpers import ROOT
from tests.helpers.self_training import CAM, SMAF, base_cfg


def test_settings_of_tools_reach_the_network() -> None:
    """--tta and --post-processor, where the model is around another one."""
    init_default_scope('mmwsss')
    cfg = Config.fromfile(ROOT / SMAF)
    apply_tta(cfg)
    apply_post_processor(cfg, 'crf:psa')
    assert segmentor_cfg(cfg).type == 'ToCo'
    segmentor_cfg(cfg).backbone.pretrained = None
    model = MODELS.build(cfg.model)
    assert isinstance(model.segmentor, MultiScaleSelfTraining)
    assert model.test_cfg['seg']['scales'] == tuple(cfg.tta_cfg.seg.scales)
    assert model.test_cfg['post_processor']['preset'] == 'psa'


def test_imagenet_weights_are_passed_over(tmp_path) -> None:
    cfg = base_cfg(CAM)
    cfg['backbone']['pretrained'] = 'https://nowhere.invalid/vit.pth'
    model = MODELS.build(dict(type='MultiScaleSelfTraining', segmentor=cfg))
    assert model.backbone.pretrained is None
