# Licensed under Apache-2.0.
"""Checkpoints, maps and settings that self-training cannot do with."""

from __future__ import annotations

import pytest
from mmengine.registry import init_default_scope

from mmwsss.io.errors import UserError
from mmwsss.io.weights import CheckpointMismatch
from mmwsss.methods.smaf.self_training_cfg import SelfTrainingCfg
from mmwsss.registry import MODELS
from mmwsss.testing import step
from tests.helpers.self_training import CAM, base_cfg, base_model, wrapped


def test_a_checkpoint_is_needed(tmp_path) -> None:
    cfg = dict(type='MultiScaleSelfTraining', segmentor=base_cfg(CAM))
    with pytest.raises(UserError, match=r'is not set.*model\.checkpoint=FILE'):
        MODELS.build(cfg).init_weights()
    with pytest.raises(FileNotFoundError, match='absent.pth'):
        MODELS.build(cfg | dict(checkpoint=str(tmp_path / 'absent.pth'))).init_weights()


def test_checkpoint_of_another_architecture(tmp_path) -> None:
    frozen = r'base\.pth, the frozen \w+, doe'
    with pytest.raises(CheckpointMismatch, match=frozen) as error:
        wrapped(CAM, tmp_path, base_model('eps'))
    # what helps with the file of a run doesn't help here
    assert 'model.checkpoint=FILE' in str(error.value)
    assert 'Hook' not in str(error.value)


def test_checkpoint_of_other_classes(tmp_path) -> None:
    cfg = base_cfg(CAM)
    cfg['num_classes'] = 5
    with pytest.raises(CheckpointMismatch, match='made for 5 classes'):
        wrapped(CAM, tmp_path, MODELS.build(cfg))


def test_maps_are_missing(tmp_path) -> None:
    model = wrapped(CAM, tmp_path, self_training=dict(source='fused'))
    with pytest.raises(
        ValueError, match=r'0\.jpg has no side input .fused.*maps.*online'
    ):
        step(model, 0)


@pytest.mark.parametrize('config,kind', [(CAM, 'softmax'), ('eps', 'relu')])
def test_kind_of_the_head(config: str, kind: str, tmp_path) -> None:
    model = wrapped(
        config, tmp_path, losses=dict(mac=dict(type='AttentionConsistency', kind=kind))
    )
    with pytest.raises(ValueError, match="kind='softmax'.*kind='relu'|kind='relu'"):
        step(model, 0)


@pytest.mark.parametrize(
    'settings,match',
    [
        (
            dict(train_cfg=dict(weights=dict(mac=1.0, seg=0.1))),
            r"loss terms .*\['seg'\]",
        ),
        (
            dict(train_cfg=dict(weights=dict(mac=1.0), low_thr=0.3)),
            'no train_cfg.*low_thr',
        ),
        (dict(test_cfg=dict(use_teacher=True)), 'use_teacher=True'),
        (
            dict(losses=dict(mac=dict(type='AttentionConsistency', kind='tanh'))),
            'kind must be',
        ),
        (dict(losses=dict(ptc=dict(type='PatchTokenContrast'))), r"\['ptc'\]"),
    ],
)
def test_settings_that_do_not_fit(settings: dict, match: str, tmp_path) -> None:
    with pytest.raises(ValueError, match=match):
        wrapped(CAM, tmp_path, **settings)


@pytest.mark.parametrize(
    'entry',
    [
        dict(source='cache'),
        dict(scales=()),
        dict(scales=(0.5, -1)),
        dict(bkg_thr=0.0),
        dict(bkg_thr=1.5),
        dict(stride=0),
        dict(pair='first'),
        dict(normalise='sum'),
        dict(normalise='none'),  # targets lie in [0, 1]
    ],
)
def test_self_training_settings(entry: dict) -> None:
    with pytest.raises(ValueError, match=f'self_training.{next(iter(entry))}'):
        SelfTrainingCfg(**entry)


@pytest.mark.parametrize(
    'entry', [dict(scales=(0.5,)), dict(pair='max'), dict(normalise='max')]
)
def test_given_maps_leave_nothing_to_fuse(entry: dict, tmp_path) -> None:
    """An ablation of scales on maps from disk would be the same run again."""
    with pytest.raises(
        ValueError,
        match=rf'self_training.{next(iter(entry))} has no '
        r"effect with source='fused'.*cam.scales",
    ):
        wrapped(CAM, tmp_path, self_training=dict(source='fused') | entry)
    unset = dict.fromkeys(entry)  # what an inheriting config says
    assert wrapped(CAM, tmp_path, self_training=dict(source='fused') | unset)


def test_other_segmentors_have_no_cams() -> None:
    init_default_scope('mmwsss')
    with pytest.raises(TypeError, match='EncoderDecoder'):
        MODELS.build(
            dict(
                type='MultiScaleSelfTraining',
                segmentor=dict(
                    type='EncoderDecoder',
                    data_preprocessor=dict(type='SegDataPreProcessor'),
                    backbone=dict(type='ResNetV1c', depth=18, base_channels=4),
                    decode_head=dict(
                        type='FCNHead',
                        in_channels=32,
                        channels=8,
                        num_convs=1,
                        num_classes=7,
                    ),
                ),
            )
        )
