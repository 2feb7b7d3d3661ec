# Licensed under Apache-2.0.
"""FSR through the shared tester, and what only it has."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from mmwsss.methods.fsr.self_distillation import SelfDistillation
from mmwsss.models.teachers.ema_copy import EMACopy
from mmwsss.registry import MODELS
from mmwsss.testing import (
    MethodTester,
    assert_same_predictions,
    begins,
    build,
    fields,
    gradients,
    predict_batch,
    step,
    total,
    train_batch,
)
from tests.helpers import ROOT

FSR = 'configs/fsr/fsr_vit-t_shapes.py'
#: depth as published; the six blocks of Shapes go without
STOCHASTIC = dict(drop_path_rate=0.1)
GUIDED = 200  # an iteration of uncertain masks


class TestFSR(MethodTester):
    """Self-reinforcement."""

    config = FSR
    encoded = (  # for the CAM; the passes with gradients: test_passes
        (2, 3, 96, 96),
        (4, 3, 48, 48),
        (4, 3, 144, 144),
    )
    ablations = {  # Table 4: each loss can be left out; the rest is as before
        'configs/fsr/fsr_vit-t_shapes_base.py': {'unc', 'cer'},
        'configs/fsr/fsr_vit-t_shapes_unc.py': {'cer'},
        'configs/fsr/fsr_vit-t_shapes_cer.py': {'unc'},
    }
    refused = (
        (dict(aux_cam_head=None), 'cls_aux needs a aux_cam_head'),
        (
            dict(backbone=dict(type='WSSSViT', arch='deit-tiny', out_indices=(9, 11))),
            'needs a backbone with mask tokens.*got WSSSViT',
        ),
    )

    def test_teacher_follows_all_of_the_student(self, model) -> None:
        copies = {n: m for n, m in model.named_children() if isinstance(m, EMACopy)}
        assert set(copies) == {f'{part}_ema' for part in model.PARTS}
        before = {n: [p.clone() for p in m.parameters()] for n, m in copies.items()}
        step(model, 0)  # nothing to take up yet
        assert all(
            torch.equal(a, b)
            for n, m in copies.items()
            for a, b in zip(before[n], m.parameters(), strict=True)
        )
        step(model, 10)
        momentum = model.ema_momentum(9)
        for name, copied in copies.items():
            student = getattr(model, name.removesuffix('_ema'))
            for old, new, ours in zip(
                before[name], copied.parameters(), student.parameters(), strict=True
            ):
                torch.testing.assert_close(new, momentum * old + (1 - momentum) * ours)

    def test_teacher_starts_as_the_student(self) -> None:
        cfg = Config.fromfile(ROOT / FSR).model
        cfg.backbone.pretrained = None
        model = MODELS.build(cfg)
        model.init_weights()
        state = model.state_dict()
        copies = [k for k in state if '_ema.module.' in k]
        assert copies
        for key in copies:
            assert torch.equal(state[key], state[key.replace('_ema.module', '')]), key
        model.cam_head.classifier.weight.data.zero_()
        model.init_weights()  # a second time: nothing is set back
        assert model.cam_head_ema.module.classifier.weight.any()

    def test_prediction_of_the_teacher(self, model) -> None:
        model.eval()
        student, teacher = (
            fields(
                model.predict(**predict_batch(model), cam_filter='gt', use_teacher=use)
            )
            for use in (False, True)
        )
        assert any(
            not torch.equal(a['pred_score'], b['pred_score'])
            for a, b in zip(student, teacher, strict=True)
        )
        # a student with the teacher's weights predicts the same
        state = model.state_dict()
        other = build(FSR)
        other.load_state_dict(
            state
            | {
                k.replace('_ema.module', ''): v
                for k, v in state.items()
                if '_ema.' in k
            }
        )
        swapped = fields(other.eval().predict(**predict_batch(model), cam_filter='gt'))
        assert_same_predictions(teacher, swapped, exact=True)

    def test_centres(self, model) -> None:
        """They move with the teacher's means, are saved, and aren't trained."""
        centres = {k for k in model.state_dict() if k.endswith('.center')}
        assert centres == {'losses.unc.center', 'losses.cer.center'}
        assert not any(model.state_dict()[k].any() for k in centres)
        step(model, 0)
        state = model.state_dict()
        assert all(state[k].any() for k in centres)
        assert not centres & {k for k, _ in model.named_parameters()}

    def test_passes(self, monkeypatch) -> None:
        """Each distinct input once; no CAM for random masks; no block for nobody."""

        def run(iteration: int, **train_cfg) -> tuple[list, int]:
            model, sizes, blocks = build(FSR, **train_cfg), [], []
            encode = model.backbone.encode

            def counted(images, *args, **kwargs):
                sizes.append(len(images) * images.shape[-1] ** 2)
                return encode(images, *args, **kwargs)

            monkeypatch.setattr(model.backbone, 'encode', counted)
            model.backbone.layers[-1].register_forward_hook(lambda *_: blocks.append(1))
            step(model, iteration)
            return [s / 96**2 for s in sizes], len(blocks)

        # in pictures: the student on two views; view 1's mirror; two scales
        rest = [4.0, 2.0, 1.0, 9.0]
        assert run(119) == (rest, 4)
        # the mask's own CAM, of one pass or (released) of three scales with mirrors,
        # stops after the auxiliary tap
        assert run(GUIDED) == ([2.0, *rest], 4)
        mask = Config.fromfile(ROOT / FSR).model.train_cfg.mask
        assert run(GUIDED, mask=mask | dict(scales=(1.0, 0.5, 1.5))) == (
            [4.0, 1.0, 9.0, *rest],
            4,
        )
        # without PTC and segmentation no CAM at all; without view 2 that of view 1
        none = dict(ptc=0.0, seg=0.0, reg=0.0)
        assert run(0, weights=none) == ([4.0], 1)
        assert run(0, weights=dict(none, unc=0.0, cer=0.0)) == ([2.0], 1)

    @pytest.mark.parametrize('absent,views', [(['cer'], 1), (['unc'], 1), ([], 2)])
    def test_teacher_reads_what_is_needed(self, absent, views, monkeypatch) -> None:
        model, batches = build(FSR, weights=dict.fromkeys(absent, 0.0)), []
        encode = model.backbone_ema.module.encode

        def counted(images, **kwargs):
            batches.append(len(images))
            return encode(images, **kwargs)

        monkeypatch.setattr(model.backbone_ema.module, 'encode', counted)
        step(model, 0, images=(0, 1))
        assert batches == [2 * views]


@pytest.mark.parametrize(
    'ablation,absent', [('base', 'unc cer'), ('unc', 'cer'), ('cer', 'unc')]
)
def test_gradients_of_the_ablations(ablation: str, absent: str) -> None:
    """Mask and class token learn from the losses that read them, and from no other."""
    model = build(f'configs/fsr/fsr_vit-t_shapes_{ablation}.py')
    grads = gradients(model, total(step(model, begins(model)[-1])))
    assert grads['backbone.mask_token'].any() == (absent != 'unc cer')
    assert grads['backbone.aggregation.cls_token'].any() == ('cer' not in absent)


@pytest.mark.parametrize(
    'setting',
    [
        dict(mask=dict(strategy='strict')),
        dict(mask=dict(reduce='max', grid='tokens')),
        dict(
            mask=dict(
                source='cam',
                view='view1',
                scales=None,
                grid='tokens',
                block_size=8,
                rounding='floor',
            )
        ),
        dict(cam_mode='eval'),
        dict(teacher_mode='eval'),
        dict(local_views=('local',)),
    ],
)
def test_options_act(setting: dict) -> None:
    """Every option gives finite losses, and others than the default's."""
    train_cfg = Config.fromfile(ROOT / FSR).model.train_cfg
    changed = {
        k: {**train_cfg.mask, **v} if k == 'mask' else v for k, v in setting.items()
    }
    plain, other = (
        step(build(FSR, backbone=STOCHASTIC, **settings), GUIDED)
        for settings in ({}, changed)
    )
    assert all(torch.isfinite(v) for v in other.values())
    assert any(plain[k] != other[k] for k in plain)


@pytest.mark.parametrize(
    'options',
    [
        dict(key_mask='-inf'),
        dict(key_mask='paper'),
        dict(attn_scale='width'),
        dict(layer_scale=0.1),
    ],
)
def test_options_of_the_aggregation_act(options: dict) -> None:
    """They change the class token's loss and nothing else."""
    results, state = [], build(FSR).state_dict()
    for aggregation in ({}, options):
        cfg = Config.fromfile(ROOT / FSR).model
        cfg.backbone.pretrained = None
        cfg.backbone.aggregation.update(aggregation)
        model = MODELS.build(cfg)
        model.load_state_dict(state, strict='layer_scale' not in aggregation)
        results.append(step(model, GUIDED))
    plain, other = results
    assert plain['loss_cer'] != other['loss_cer']
    assert torch.equal(plain['loss_unc'], other['loss_unc'])


def test_cams_without_stochastic_depth() -> None:
    """cam_mode='eval' gives the same CAM twice; the mode is set back afterwards."""
    for mode in ('train', 'eval'):
        model = build(FSR, backbone=STOCHASTIC, cam_mode=mode).train()
        data = train_batch(model)
        labels = model.image_labels(data['data_samples'], 'cpu')
        one, two = (
            model.fused_cams(data['inputs']['view1'], labels).cam for _ in range(2)
        )
        assert torch.equal(one, two) == (mode == 'eval')
        assert all(m.training for m in model.modules())


@pytest.mark.parametrize(
    'change,message',
    [
        (dict(mask=dict(ratio=1.5)), r'ratio must be in \[0, 1\], got 1.5'),
        (dict(mask=dict(rounding='round')), "'ceil' or 'floor', got 'round'"),
        (dict(mask=dict(strategy='edge')), r"mask.strategy must be one of.*\['edge'\]"),
        (dict(mask=dict(source='seg')), r"mask.source must be one of.*\['seg'\]"),
        (dict(mask=dict(view='view3')), r"mask.view must be one of.*\['view3'\]"),
        (dict(mask=dict(reduce='median')), r"mask.reduce must be one of.*\['median'\]"),
        (dict(mask=dict(noise='gpu')), r"mask.noise must be one of.*\['gpu'\]"),
        (dict(mask=dict(low_thr=0.8)), 'low_thr=0.8, high_thr=0.7'),
        (dict(cam_mode='test'), "cam_mode must be 'train' or 'eval', got 'test'"),
        (dict(teacher_mode='test'), "teacher_mode must be 'train' or 'eval'"),
        (dict(teacher_temp=dict(iters=0)), 'iters >= 1, got 0'),
        (dict(student_temp=1), r"reads no train_cfg entries \['student_temp'\]"),
    ],
)
def test_bad_settings(change: dict, message: str) -> None:
    train_cfg = Config.fromfile(ROOT / FSR).model.train_cfg
    changed = {
        k: {**train_cfg[k], **v} if isinstance(v, dict) else v
        for k, v in change.items()
    }
    with pytest.raises(ValueError, match=message):
        build(FSR, **changed)


def test_blocks_must_fill_the_image() -> None:
    mask = {**Config.fromfile(ROOT / FSR).model.train_cfg.mask, 'block_size': 20}
    with pytest.raises(
        ValueError,
        match='block_size=20 must be a multiple of the patch size 8 and divide',
    ):
        step(build(FSR, mask=mask), 0)


@pytest.mark.parametrize('missing', ['mask', 'teacher_temp', 'ema_momentum'])
def test_settings_are_needed(missing: str) -> None:
    cfg = Config.fromfile(ROOT / FSR).model.to_dict()
    cfg['backbone'].pop('pretrained')
    cfg['train_cfg'].pop(missing)
    with pytest.raises(ValueError, match=rf"needs \['{missing}'\] in train_cfg"):
        MODELS.build(cfg)


def test_views_are_needed() -> None:
    model = build(FSR, local_views=('crop1',))
    data = train_batch(model)
    with pytest.raises(ValueError, match=r"views \['crop1', 'view1', 'view2'\]"):
        model.loss(**data)
    with pytest.raises(ValueError, match='gives a single image'):
        model.loss(data['inputs']['view1'], data['data_samples'])


def test_a_model_without_a_teacher_says_so() -> None:
    model = build('configs/toco/toco_vit-t_shapes.py').eval()
    with pytest.raises(ValueError, match='ToCo keeps no teacher of its backbone'):
        model.predict(**predict_batch(model), use_teacher=True)


def test_loss_of_another_width() -> None:
    cfg = Config.fromfile(ROOT / FSR).model
    cfg.backbone.pretrained = None
    cfg.losses.cer.channels = 128
    model = MODELS.build(cfg)
    assert isinstance(model.losses['cer'], SelfDistillation)
    with pytest.raises(ValueError, match='is channels of the loss that of the'):
        step(model, 0)
