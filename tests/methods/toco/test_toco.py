# Licensed under Apache-2.0.
"""Every single-stage method through the shared tester, and what only it has."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.registry import MODELS
from tests.helpers.host_sync import HostSyncError, NoHostSync
from tests.helpers.methods import (
    ROOT,
    at,
    begins,
    build,
    gradients,
    step,
    total,
    train_batch,
)
from tests.method_tester import MethodTester

TOCO = 'configs/toco/toco_vit-t_shapes.py'


class TestCAM(MethodTester):
    """The plain baseline."""

    config = 'configs/cam/cam_vit-t_shapes.py'

    def test_view1_or_a_single_view(self, model) -> None:
        at(begins(model)[-1])
        data = train_batch(model)
        views = model.loss(**data)
        single = model.loss(data['inputs']['view1'], data['data_samples'])
        assert all(torch.equal(views[k], single[k]) for k in views)


class TestToCo(MethodTester):
    """Token contrast."""

    config = TOCO

    def test_teacher_follows_the_student_before_it_is_used(self, model) -> None:
        student = model.proj_head.state_dict()
        teacher = model.proj_head_ema.module
        before = {k: v.clone() for k, v in teacher.state_dict().items()}
        momentum = model.train_cfg['ema_momentum']
        step(model, 0)
        for key, value in teacher.state_dict().items():
            torch.testing.assert_close(
                value, momentum * before[key] + (1 - momentum) * student[key]
            )

    def test_teacher_is_no_copy_by_name_only(self, model) -> None:
        keys = set(model.state_dict())
        heads = {k for k in keys if k.startswith('proj_head.')}
        assert {k.replace('proj_head.', 'proj_head_ema.module.') for k in heads} <= keys
        assert not any(p.requires_grad for p in model.proj_head_ema.parameters())

    def test_label_source(self) -> None:
        """Until the switch the pseudo label is that of the auxiliary CAM."""
        shares = [
            step(build(TOCO, pseudo_source=source), 200)['label_fg']
            for source in ('cam', 'aux_cam', [(0, 'aux_cam'), (200, 'cam')])
        ]
        assert shares[0] == shares[2] != shares[1]

    def test_scaled_token_box(self) -> None:
        """A box in pixels on the token grid drops tokens that are real (released)."""
        losses = [
            step(build(TOCO, scale_token_box=scale), 0)['loss_ptc']
            for scale in (True, False)
        ]
        assert losses[0] != losses[1]

    def test_each_view_is_encoded_once(self, model, monkeypatch) -> None:
        """Both global views in one pass, the crops in one; CAM scales besides."""
        sizes, encode = [], model.encode

        def counted(images):
            sizes.append(tuple(images.shape))
            return encode(images)

        monkeypatch.setattr(model, 'encode', counted)
        step(model, begins(model)[-1])
        assert sorted(sizes) == sorted(
            [
                (4, 3, 96, 96),
                (16, 3, 32, 32),  # two views; eight crops
                (2, 3, 96, 96),
                (4, 3, 48, 48),
                (4, 3, 144, 144),
            ]
        )  # mirror; two scales

    @pytest.mark.parametrize(
        'missing,message',
        [
            (dict(proj_head=None), 'ctc needs a proj_head'),
            (dict(aux_cam_head=None), 'cls_aux needs a aux_cam_head'),
            (dict(refine=None), 'seg and reg need pseudo labels'),
            (dict(decode_head=None), 'needs a decode_head'),
            (
                dict(losses=dict(cls=dict(type='MultiLabelSoftMargin'))),
                r"\['cls_aux', ",
            ),
        ],
    )
    def test_contradictions_are_refused(self, missing, message) -> None:
        cfg = Config.fromfile(ROOT / TOCO).model.to_dict()
        cfg['backbone'].pop('pretrained')
        with pytest.raises(ValueError, match=message):
            MODELS.build(cfg | missing)

    def test_unknown_inactive(self) -> None:
        with pytest.raises(ValueError, match="'zero_grad' or 'off', got 'none'"):
            build(TOCO, inactive='none')


@pytest.mark.parametrize('ablation', ['cls', 'aux', 'ptc', 'ctc', 'seg'])
def test_ablations_train(ablation: str) -> None:
    """A method's parts can be switched off one by one from the config."""
    model = build(f'configs/toco/toco_vit-t_shapes_{ablation}.py')
    losses = step(model, begins(model)[-1])
    assert {k.removeprefix('loss_') for k in losses if k.startswith('loss_')} == set(
        model.schedule.weights
    )
    grads = gradients(model, total(losses))
    assert set(grads) == {k for k, p in model.named_parameters() if p.requires_grad}


def test_a_schedule_without_an_active_term_is_named() -> None:
    init_default_scope('mmwsss')
    model = WeakSegmentor(
        backbone=dict(type='mmpretrain.ResNet', depth=18, out_indices=(3,)),
        cam_head=dict(type='CAMHead', in_channels=512),
        num_classes=7,
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        losses=dict(cls=dict(type='MultiLabelSoftMargin')),
        train_cfg=dict(weights=dict(cls=[(0, 0.0), (5, 1.0)])),
    )
    with pytest.raises(ValueError, match='no loss term is active at iteration 0'):
        step(model, 0)


def test_any_backbone() -> None:
    """A convolutional network of another package gives CAMs as well."""
    init_default_scope('mmwsss')
    model = WeakSegmentor(
        backbone=dict(type='mmpretrain.ResNet', depth=18, out_indices=(2, 3)),
        cam_head=dict(type='CAMHead', in_channels=512, pooling='avg'),
        num_classes=7,
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        losses=dict(cls=dict(type='MultiLabelSoftMargin')),
        train_cfg=dict(weights=dict(cls=1.0)),
        test_cfg=dict(outputs=('cam',), cam_scales=(1.0,)),
    )
    losses = step(model, 0)
    assert set(losses) == {'loss_cls'} and torch.isfinite(losses['loss_cls'])
    cam = model.eval().predict(torch.randn(1, 3, 64, 64))[0].pred_cam
    assert cam.score.shape == cam.label.shape == (1, 64, 64)


@pytest.mark.parametrize(
    'stall',
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.unique(),
        lambda x: x.new_tensor([1.0, 2.0]),
        lambda x: x.clone().__setitem__(x > 0, torch.ones(4)),
    ],
)
def test_the_host_sync_check_finds_them(stall, monkeypatch) -> None:
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    stall(x)
    with pytest.raises(HostSyncError), NoHostSync.patched(monkeypatch):
        stall(x)
