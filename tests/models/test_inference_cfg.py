# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.models.prediction.inference_cfg import InferenceCfg
from mmwsss.registry import LABELERS, MODELS
from mmwsss.testing import build, predict_batch
from mmwsss.testing.config_files import load_config
from tests.helpers import ROOT


@pytest.mark.parametrize(
    'settings,message',
    [
        (dict(outputs=('seg', 'cams')), r"outputs has \['cams'\]; known"),
        (
            dict(cam=dict(fuse_at='logits')),
            r"one of \('input', 'label'\), got 'logits'",
        ),
        (dict(cam=dict(normalise='sum')), r"'max', 'none', 'ready'\), got 'sum'"),
        (
            dict(cam=dict(normalise='none'), outputs=('cam', 'class_maps')),
            r"without an upper bound, and the outputs \['cam'\] need",
        ),
        (dict(cam=dict(scales=())), r'cam.scales must hold positive numbers, got \(\)'),
        (dict(cam=dict(scales=(1.0, 0))), r'positive numbers, got \(1.0, 0\)'),
        (dict(cam=dict(strides=(0,))), r'positive numbers, got \(0,\)'),
        (dict(seg=dict(fuse_at='image')), r"one of \('label', 'logits'\), got 'image'"),
        (
            dict(input=dict(squash=(9, 9), long_side=9)),
            r'squash=\(9, 9\) and long_side=9: set',
        ),
        (dict(seg=dict(scale=(1.0,))), r"test_cfg.seg has no \['scale'\]; it knows"),
        (
            dict(cam=dict(mirror='False')),
            "cam.mirror must be True or False, got 'False'",
        ),
        (dict(seg=dict(mirror=1)), 'seg.mirror must be True or False, got 1'),
        (dict(cam=dict(add_one='no')), 'cam.add_one must be True or False'),
        (dict(cam=dict(scales=0.5)), 'cam.scales must be a list of numbers, got 0.5'),
        (
            dict(seg=dict(scales='1.0')),
            "seg.scales must be a list of numbers, got '1.0'",
        ),
        (
            dict(seg=dict(scales=(1.0, float('nan')))),
            r'positive numbers, got \(1.0, nan',
        ),
        (
            dict(cam=dict(strides=(0.5,))),
            r'cam.strides must be a list of whole numbers',
        ),
        (dict(cam=dict(strides=4)), 'cam.strides must be a list of whole .*got 4'),
        (dict(cam=dict(multiple=2.0)), 'cam.multiple must be a whole number, got 2.0'),
        (dict(input=dict(squash=96)), 'list of whole numbers or None, got 96'),
        (dict(input=dict(squash=(96,))), r'squash must be \(height, width\), got'),
        (dict(input=dict(long_side=0)), 'long_side must be 1 pixel or more, got 0'),
        (dict(input=96), r'test_cfg.input must be dict\(...\) or None, got 96'),
        (
            dict(pseudo=dict(low_thr='0.3')),
            "low_thr must be a number or None, got '0.3'",
        ),
        (dict(outputs='seg'), "outputs must be a list of words, got 'seg'"),
        (dict(use_teacher='False'), "use_teacher must be True or False, got 'False'"),
        (dict(post_processor='crf'), r'post_processor must be dict\(...\) or None'),
        (
            dict(cam_filter='labels'),
            r"one of \('gt', 'pred', 'none', .*\), got 'labels'",
        ),
    ],
)
def test_unknown_values(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        InferenceCfg.of(settings)


def test_unknown_key() -> None:
    with pytest.raises(ValueError, match=r"has no \['scales'\]; it knows .*'cam'"):
        InferenceCfg.of(dict(cam=dict(scales=(1.0,))), scales=(1.0,))


@pytest.mark.parametrize(
    'config,settings,message',
    [
        (
            'cam/cam_vit-t_shapes',
            dict(cam=dict(fuse_at='label')),
            'no train_cfg.cam.fus',
        ),
        (
            'cam/cam_vit-t_shapes',
            dict(cam=dict(multiple=16)),
            'no train_cfg.cam.multip',
        ),
        (
            'toco/toco_vit-t_shapes',
            dict(cam=dict(strides=(4,))),
            'test_cfg.cam.strides',
        ),
        (
            'cam/cam_vit-t_shapes',
            dict(cam=dict(mirror='no')),
            'cam.mirror must be True',
        ),
        ('cam/cam_vit-t_shapes', dict(cam=0.5), r'train_cfg.cam must be dict\(...\)'),
        (
            'cam/cam_vit-t_shapes',
            dict(detach_decoder='False'),
            'detach_decoder must be',
        ),
        ('afa/afa_mit-t_shapes', dict(stochastic_cams='no'), "got the word 'no'"),
        ('eps/eps_wr38-t_shapes', dict(cam=dict(scales=(1.0,))), r"entries \['cam'\]"),
        ('eps/eps_wr38-t_shapes', dict(detach_decoder=True), r"\['detach_decoder'\]"),
    ],
)
def test_what_training_does_not_read(config, settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        build(f'configs/{config}.py', **settings)


@pytest.mark.parametrize(
    'settings,message',
    [
        (
            dict(labeler=None, train_cfg=dict(weights=dict(_delete_=True, cls=1.0))),
            "asks for 'pseudo', but the model has no labeler",
        ),
        (dict(test_cfg=dict(outputs=('aux_cam',))), 'the model has no aux_cam_head'),
        (
            dict(test_cfg=dict(pseudo=dict(low_thr=0.9))),
            r'test_cfg.pseudo has low_thr=0.9 for the labeler: .*low_thr <= high_thr',
        ),
        (
            dict(test_cfg=dict(pseudo=dict(bkg_thr=0.3))),
            r"bkg_thr=0.3 for the labeler: TwoThresholdLabeler has no.*\['bkg_thr'\]",
        ),
        (dict(test_cfg=dict(pseudo=dict(source='x'))), "WeakSegmentor, got 'x'"),
        (dict(test_cfg=dict(cam=dict(strides=(0.5,)))), 'cam.strides'),
        (dict(test_cfg=dict(input=dict(long_side=0))), 'input.long_side'),
        (
            dict(
                test_cfg=dict(
                    post_processor=dict(
                        type='Conv2d', in_channels=3, out_channels=3, kernel_size=1
                    )
                )
            ),
            'Conv2d refines no probabilities',
        ),
        (
            dict(test_cfg=dict(post_processor=dict(type='DenseCRF', preset='mine'))),
            "preset must be one of .*'mine'",
        ),
        (dict(labeler=dict(_delete_=True, type='ReLU')), 'ReLU is no labeler'),
    ],
)
def test_contradictions_are_refused_when_the_model_is_built(settings, message) -> None:
    init_default_scope('mmwsss')
    cfg = Config.fromfile(ROOT / 'configs/cam/cam_vit-t_shapes_seg.py')
    cfg.merge_from_dict(dict(model=settings))
    LABELERS.register_module(name='ReLU', module=torch.nn.ReLU, force=True)
    try:
        with pytest.raises((ValueError, TypeError), match=message):
            MODELS.build(cfg.model)
    finally:
        del LABELERS._module_dict['ReLU']


def test_a_teacher_that_is_lacking_is_refused_before_training() -> None:
    cfg = load_config('configs/cam/cam_vit-t_shapes_seg.py')
    cfg.model.test_cfg.use_teacher = True
    with pytest.raises(ValueError, match='WeakSegmentor keeps no teacher'):
        build(cfg)  # its init_weights


def test_outputs_are_asked_of_the_model_with_overrides_too() -> None:
    model = build('configs/cam/cam_vit-t_shapes_seg.py')
    for settings, message in (
        (dict(outputs=('aux_cam',)), 'no aux_cam_head'),
        (dict(pseudo=dict(high_thr=0.1)), 'high_thr=0.1 for the labeler'),
        (dict(post_processor=dict(type='ReLU')), 'ReLU refines no probabilities'),
    ):
        with pytest.raises(ValueError, match=message):
            model.predict(**predict_batch(model), **settings)


def test_unknown_key_is_refused_before_training() -> None:
    init_default_scope('mmwsss')
    cfg = Config.fromfile(ROOT / 'configs/cam/cam_vit-t_shapes.py').model
    cfg.test_cfg.cam_scale = (1.0,)
    with pytest.raises(ValueError, match=r"test_cfg has no \['cam_scale'\]"):
        MODELS.build(cfg)


@pytest.mark.parametrize(
    'settings,passes',
    [
        (dict(), {1.0: False}),
        (dict(seg=dict(scales=(1.25, 1.5))), {1.0: False, 1.25: False, 1.5: False}),
        (dict(seg=dict(scales=(1.0, 1.5), mirror=True)), {1.0: True, 1.5: True}),
        (dict(outputs=('cam',), cam=dict(scales=(0.5,))), {1.0: True, 0.5: True}),
        (
            dict(outputs=('cam',), cam=dict(scales=(0.5,), add_one=False)),
            {1.0: False, 0.5: True},
        ),
        (
            dict(outputs=('cam',), cam=dict(scales=(0.5,), mirror=False)),
            {1.0: False, 0.5: False},
        ),
        (
            dict(outputs=('cam',), seg=dict(scales=(2.0,)), cam=dict(scales=(1.0,))),
            {1.0: True},
        ),
        # the CAM needs the mirrors, the segmentation doesn't: one pass serves both
        (
            dict(
                outputs=('seg', 'cam'),
                seg=dict(scales=(1.0, 2.0)),
                cam=dict(scales=(1, 0.5)),
            ),
            {1.0: True, 2.0: False, 0.5: True},
        ),
    ],
)
def test_each_scale_is_run_once(settings, passes) -> None:
    got = InferenceCfg.of(settings).passes()
    assert got == passes and next(iter(got)) == 1.0


@pytest.mark.parametrize(
    'outputs,wants',
    [(('seg',), False), ((), False), (('cam',), True), (('seg', 'pseudo'), True)],
)
def test_wants_cams(outputs, wants) -> None:
    assert InferenceCfg(outputs=outputs).wants_cams == wants
