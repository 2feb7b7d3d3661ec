# Licensed under Apache-2.0.
"""The stages of the self-training benchmark set what they say; its table."""

from __future__ import annotations

from types import ModuleType

import pytest
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope

from mmwsss.registry import MODELS
from tests.helpers.training import ROOT


@pytest.fixture
def script(load_tool) -> ModuleType:
    return load_tool(ROOT / 'benchmarks' / 'shapes_selftraining.py')


def with_options(path: str, options: tuple[str, ...]) -> Config:
    cfg = Config.fromfile(ROOT / path)
    pairs = (option.split('=', 1) for option in options)
    cfg.merge_from_dict({k: DictAction._parse_iterable(v) for k, v in pairs})
    return cfg


@pytest.mark.parametrize('base', ['cam', 'toco', 'eps'])
def test_the_control_has_no_self_training(script: ModuleType, base: str) -> None:
    init_default_scope('mmwsss')
    cfg = with_options(script.BASES[base].smaf, script.STAGES['cls'].options)
    assert MODELS.build(cfg.model).active == {'cls'}


def test_one_scale_is_one_view(script: ModuleType) -> None:
    for base in script.BASES.values():
        for path in (base.config, base.smaf):
            cfg = with_options(path, base.one_scale)
            assert cfg.model.test_cfg.cam.scales == [1.0]
            for step in cfg.test_dataloader.dataset.pipeline:
                if step['type'] == 'PILMultiScale':
                    assert step['scales'] == [1.0]


def test_teacher_scales(script: ModuleType) -> None:
    path = script.BASES['eps'].smaf
    for name, expected in (('scale_0.5', [0.5]), ('scales_1_1.5', [1, 1.5])):
        cfg = with_options(path, script.STAGES[name].options)
        assert cfg.model.self_training.scales == expected


def test_table(script: ModuleType) -> None:
    def found(value: float) -> dict:
        scores = dict(cam_mIoU=value, cam_oracle_mIoU=value + 1)
        return dict(metrics=scores, one_scale={k: v + 2 for k, v in scores.items()})

    text = script.table(
        dict(
            eps=dict(smaf={'0': found(70.0), '1': found(72.0)}, base={'0': found(60.0)})
        )
    )
    assert text.splitlines()[2:] == [
        '| EPS | – | 60.0 | 61.0 | 62.0 | 63.0 | 1 |',
        '| EPS | SMAF | 71.0 ± 1.4 | 72.0 ± 1.4 | 73.0 ± 1.4 | 74.0 ± 1.4 | 2 |',
    ]
