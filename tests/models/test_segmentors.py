# Licensed under Apache-2.0.
"""Every single-stage method through the shared tester, and what only it has."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.models import SingleStageWSSS
from mmwsss.registry import MODELS
from tests.helpers.host_sync import HostSyncError, NoHostSync
from tests.helpers.methods import (
    ROOT,
    at,
    begins,
    build,
    gradients,
    predict_batch,
    step,
    total,
    train_batch,
)
from tests.method_tester import MethodTester

TOCO = 'configs/toco/toco_vit-t_shapes.py'
AFA_TINY = 'configs/afa/afa_mit-t_shapes.py'


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
                value, momentum * before[key] + (1 - momentum) * student[key])

    def test_teacher_is_no_copy_by_name_only(self, model) -> None:
        keys = set(model.state_dict())
        heads = {k for k in keys if k.startswith('proj_head.')}
        assert {k.replace('proj_head.', 'proj_head_ema.module.') for k in heads} <= keys
        assert not any(p.requires_grad for p in model.proj_head_ema.parameters())

    def test_label_source(self) -> None:
        """Until the switch the pseudo label is that of the auxiliary CAM."""
        shares = [step(build(TOCO, pseudo_source=source), 200)['label_fg']
                  for source in ('cam', 'aux_cam', [(0, 'aux_cam'), (200, 'cam')])]
        assert shares[0] == shares[2] != shares[1]

    def test_scaled_token_box(self) -> None:
        """A box in pixels on the token grid drops tokens that are real (released)."""
        losses = [step(build(TOCO, scale_token_box=scale), 0)['loss_ptc']
                  for scale in (True, False)]
        assert losses[0] != losses[1]

    def test_each_view_is_encoded_once(self, model, monkeypatch) -> None:
        """Both global views in one pass, the crops in one; CAM scales besides."""
        sizes, encode = [], model.encode

        def counted(images):
            sizes.append(tuple(images.shape))
            return encode(images)

        monkeypatch.setattr(model, 'encode', counted)
        step(model, begins(model)[-1])
        assert sorted(sizes) == sorted([
            (4, 3, 96, 96), (16, 3, 32, 32),  # two views; eight crops
            (2, 3, 96, 96), (4, 3, 48, 48), (4, 3, 144, 144)])  # mirror; two scales

    @pytest.mark.parametrize('missing,message', [
        (dict(proj_head=None), 'ctc needs a proj_head'),
        (dict(aux_cam_head=None), 'cls_aux needs a aux_cam_head'),
        (dict(refine=None), 'seg and reg need pseudo labels'),
        (dict(decode_head=None), 'needs a decode_head'),
        (dict(losses=dict(cls=dict(type='MultiLabelSoftMargin'))), r"\['cls_aux', "),
    ])
    def test_contradictions_are_refused(self, missing, message) -> None:
        cfg = Config.fromfile(ROOT / TOCO).model.to_dict()
        cfg['backbone'].pop('pretrained')
        with pytest.raises(ValueError, match=message):
            MODELS.build(cfg | missing)

    def test_unknown_inactive(self) -> None:
        with pytest.raises(ValueError, match="'zero_grad' or 'off', got 'none'"):
            build(TOCO, inactive='none')


class TestAFA(MethodTester):
    """Affinity from attention."""

    config = AFA_TINY
    protocols = MethodTester.protocols | dict(
        long_side=dict(resize_long=96, seg_scales=(1.0, 0.75), seg_flip=True,
                       seg_pair='mean', seg_fuse_at='logits'),
        refined=dict(pseudo_source='refined_propagated'),
        cam_label=dict(pseudo_source='cam'))

    def test_each_image_is_encoded_once(self, model, monkeypatch) -> None:
        """And no scale but the largest makes an affinity, of un-mirrored images."""
        sizes, tokens, encode = [], [], model.encode

        def counted(images):
            sizes.append(tuple(images.shape))
            return encode(images)

        monkeypatch.setattr(model, 'encode', counted)
        model.affinity_head.register_forward_hook(
            lambda _, inputs, affinity: tokens.append(tuple(affinity.shape)))
        step(model, begins(model)[-1])
        assert sorted(sizes) == sorted([
            (2, 3, 96, 96), (2, 3, 96, 96),  # plain, mirrored
            (4, 3, 48, 48), (4, 3, 144, 144)])
        assert tokens == [(2, 18 * 18, 18 * 18), (2, 12 * 12, 12 * 12)]

    def test_label_sources(self) -> None:
        """Each term follows the source of its own schedule."""
        both = dict(seg_source='cam', aff_source='propagated')
        got = {name: step(build(AFA_TINY, **both | settings), 240) for name, settings in
               dict(mixed={}, cam=dict(aff_source='cam'),
                    spread=dict(seg_source='propagated')).items()}
        assert got['mixed']['loss_seg'] == got['cam']['loss_seg']
        assert got['mixed']['loss_aff'] == got['spread']['loss_aff']
        assert got['cam']['loss_aff'] != got['spread']['loss_aff']
        assert got['cam']['label_fg'] != got['spread']['label_fg']

    def test_released_side_effects_of_the_cam_passes(self) -> None:
        """Norm statistics follow them; stochastic depth is active in them."""
        def after(**settings):
            model = build(AFA_TINY, **settings)
            step(model, 120)
            assert model.backbone.training
            return model.decode_head.fusion_conv.norm.num_batches_tracked.item()

        assert after() == 4 and after(norm_from_cams=False) == 1
        model = build(AFA_TINY, stochastic_cams=False, norm_from_cams=False)
        data = train_batch(model)
        images, samples = data['inputs']['view1'], data['data_samples']
        labels, features = model.image_labels(samples, 'cpu'), model.encode(images)
        for stochastic in (False, True):
            model.train_cfg['stochastic_cams'] = stochastic
            one, two = (model.attended_cams(images, labels, features).cam
                        for _ in range(2))
            assert torch.equal(one, two) != stochastic

    def test_prediction_of_the_label(self, model) -> None:
        """The sources give labels of their own; the plain one ignores nothing."""
        model.eval()
        labels = {source: [p.pred_pseudo.data for p in model.predict(
            **predict_batch(model), cam_filter='gt', pseudo_source=source)]
            for source in model.PSEUDO_SOURCES}
        assert not any((one == 255).any() for one in labels['propagated'])
        for first, second in (('cam', 'propagated'), ('cam', 'refined_propagated')):
            assert any(not torch.equal(a, b) for a, b in zip(
                labels[first], labels[second], strict=True))

    @pytest.mark.parametrize('settings,message', [
        (dict(refine=None), 'aff needs pseudo labels'),
        (dict(refine=dict(type='DenseCRF')), 'only PAR can.*DenseCRF'),
        (dict(decode_head=None), 'needs a decode_head'),
        (dict(affinity_head=dict(type='AffinityHead', num_maps=16)),
         '2 blocks of 4 heads give 8 attention maps.*num_maps=16'),
    ])
    def test_contradictions_are_refused(self, settings, message) -> None:
        cfg = Config.fromfile(ROOT / AFA_TINY).model.to_dict()
        if settings.get('refine', 0) is None:
            cfg['train_cfg']['weights'] = dict(cls=1.0, aff=0.1)
        with pytest.raises(ValueError, match=message):
            step(MODELS.build(cfg | settings), 240)

    @pytest.mark.parametrize('settings,message', [
        (dict(seg_source='aux_cam'), r"seg_source must be.*\['aux_cam'\]"),
        (dict(aff_source=[(0, 'cam'), (5, 'x')]), r"aff_source must be.*\['x'\]"),
        (dict(radius=3), r"no train_cfg entries \['radius'\]"),
    ])
    def test_unknown_sources(self, settings, message) -> None:
        with pytest.raises(ValueError, match=message):
            build(AFA_TINY, **settings)

    def test_unknown_prediction_settings(self, model) -> None:
        for settings, message in (
                (dict(pseudo_source='oracle'), "pseudo_source.*AFA, got 'oracle'"),
                (dict(seg_fuse_at='image'), "seg_fuse_at.*got 'image'"),
                (dict(squash=(96, 96), resize_long=96), 'squash=.*resize_long=96')):
            with pytest.raises(ValueError, match=message):
                model.predict(**predict_batch(model), **settings)


@pytest.mark.parametrize('ablation', ['cls', 'aux', 'ptc', 'ctc', 'seg'])
def test_ablations_train(ablation: str) -> None:
    """A method's parts can be switched off one by one from the config."""
    model = build(f'configs/toco/toco_vit-t_shapes_{ablation}.py')
    losses = step(model, begins(model)[-1])
    assert {k.removeprefix('loss_') for k in losses if k.startswith('loss_')} == set(
        model.schedule.weights)
    grads = gradients(model, total(losses))
    assert set(grads) == {k for k, p in model.named_parameters() if p.requires_grad}


def test_a_schedule_without_an_active_term_is_named() -> None:
    init_default_scope('mmwsss')
    model = SingleStageWSSS(
        backbone=dict(type='mmpretrain.ResNet', depth=18, out_indices=(3,)),
        cam_head=dict(type='CAMHead', in_channels=512), num_classes=7,
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        losses=dict(cls=dict(type='MultiLabelSoftMargin')),
        train_cfg=dict(weights=dict(cls=[(0, 0.0), (5, 1.0)])))
    with pytest.raises(ValueError, match='no loss term is active at iteration 0'):
        step(model, 0)


def test_any_backbone() -> None:
    """A convolutional network of another package gives CAMs as well."""
    init_default_scope('mmwsss')
    model = SingleStageWSSS(
        backbone=dict(type='mmpretrain.ResNet', depth=18, out_indices=(2, 3)),
        cam_head=dict(type='CAMHead', in_channels=512, pooling='avg'),
        num_classes=7, data_preprocessor=dict(type='WeakDataPreProcessor'),
        losses=dict(cls=dict(type='MultiLabelSoftMargin')),
        train_cfg=dict(weights=dict(cls=1.0)),
        test_cfg=dict(outputs=('cam',), cam_scales=(1.0,)))
    losses = step(model, 0)
    assert set(losses) == {'loss_cls'} and torch.isfinite(losses['loss_cls'])
    cam = model.eval().predict(torch.randn(1, 3, 64, 64))[0].pred_cam
    assert cam.score.shape == cam.label.shape == (1, 64, 64)


@pytest.mark.parametrize('stall', [
    lambda x: x.sum().item(),
    lambda x: bool((x > 0).any()),
    lambda x: x[x > 0],
    lambda x: x.nonzero(),
    lambda x: x.unique(),
    lambda x: x.new_tensor([1.0, 2.0]),
    lambda x: x.clone().__setitem__(x > 0, torch.ones(4)),
])
def test_the_host_sync_check_finds_them(stall, monkeypatch) -> None:
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    stall(x)
    with pytest.raises(HostSyncError), NoHostSync.patched(monkeypatch):
        stall(x)
