# Licensed under Apache-2.0.
"""SMAF through the shared tester, on top of every method, and what only it has."""

from __future__ import annotations

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData

from mmwsss.cli.inference_options import segmentor_cfg
from mmwsss.io.errors import UserError
from mmwsss.io.score_files import load_scores, save_scores
from mmwsss.io.weights import CheckpointMismatch
from mmwsss.methods.smaf.reactivation import attention_target
from mmwsss.methods.smaf.self_training_cfg import SelfTrainingCfg
from mmwsss.methods.smaf.smaf import MultiScaleSelfTraining
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.registry import MODELS
from mmwsss.structures import ClassMaps, ImageLabels, valid_boxes
from mmwsss.testing import (
    LABELS,
    SIZE,
    CAMMethodTester,
    MethodTester,
    assert_same_predictions,
    build,
    fields,
    gradients,
    predict_batch,
    sample,
    step,
    total,
    train_batch,
)
from mmwsss.testing.predictions import class_maps
from tests.helpers import ROOT

SMAF = 'configs/smaf/smaf_toco_vit-t_shapes.py'
SMAF_EPS = 'configs/smaf/smaf_eps_wr38-t_shapes.py'
CAM = 'configs/cam/cam_vit-t_shapes.py'
TOCO = 'configs/toco/toco_vit-t_shapes.py'
SEMFORMER = 'configs/semformer/semformer_deit-t_shapes.py'  # has no L_cls
BASES = (
    CAM,
    TOCO,
    'configs/fsr/fsr_vit-t_shapes.py',
    'configs/afa/afa_mit-t_shapes.py',
    SEMFORMER,
)


class OwnRoundTrip:
    """What is another matter than for the methods themselves."""

    def test_state_dict_round_trip(self, model) -> None:
        """The student is in it; the teacher is what the base checkpoint holds."""
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.01 * torch.randn_like(parameter)
        state = model.state_dict()
        same, other = build(self.config), build(self.config, seed=1)
        for one in (same, other):
            one.load_state_dict(state, strict=True)
        ours, theirs, foreign = (step(m, 0) for m in (model, same, other))
        assert all(torch.equal(ours[k], theirs[k]) for k in ours)
        assert not torch.equal(ours['loss_mac'], foreign['loss_mac'])


class TestSMAF(OwnRoundTrip, MethodTester):
    """Attention by ReLU, a base with a decoder."""

    config = SMAF


class TestSMAFOnEPS(OwnRoundTrip, CAMMethodTester):
    """Attention by softmax, no decoder."""

    config = SMAF_EPS


# ---------------------------------------------------------------- on top of any method
def eps_cfg() -> dict:
    """A narrow EPS."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/models/eps_wr38.py').model
    cfg.backbone.widths = (4, 4, 8, 8, 16, 16, 16)
    cfg.cam_head.in_channels = 16
    return cfg.to_dict() | dict(num_classes=7)


def base_cfg(config: str) -> dict:
    """The model config of a method."""
    init_default_scope('mmwsss')
    cfg = (
        eps_cfg() if config == 'eps' else Config.fromfile(ROOT / config).model.to_dict()
    )
    cfg['backbone']['pretrained'] = None
    return cfg


def base_model(config: str, seed: int = 0) -> WeakSegmentor:
    """A seeded model of a method."""
    torch.manual_seed(seed)
    model = MODELS.build(base_cfg(config))
    WeakSegmentor.init_weights(model)  # without what the method's own losses need
    return model.eval()


def wrapped(config: str, folder, base: WeakSegmentor | None = None, **settings):
    """Self-training of a seeded model of a method, its checkpoint in a folder."""
    base = base or base_model(config)
    torch.save(dict(state_dict=base.state_dict()), folder / 'base.pth')
    kind = 'softmax' if config == 'eps' else 'relu'
    model = MODELS.build(
        dict(
            type='MultiScaleSelfTraining',
            segmentor=base_cfg(config),
            checkpoint=str(folder / 'base.pth'),
            losses=dict(mac=dict(type='AttentionConsistency', kind=kind)),
            train_cfg=dict(
                weights=dict(mac=10.0) | ({} if config == SEMFORMER else dict(cls=1.0))
            ),
            data_preprocessor=dict(zero_padding=('img',)),
        )
        | settings
    )
    model.init_weights()
    return model


@pytest.mark.parametrize('config', (*BASES, 'eps'))
def test_any_method(config: str, tmp_path) -> None:
    """The student is the base, same keys; only encoder and classifier learn."""
    base = base_model(config)
    model = wrapped(config, tmp_path, base)
    assert type(model.segmentor) is type(base)
    assert isinstance(model, MultiScaleSelfTraining)
    before = copy.deepcopy(model.state_dict())
    assert before.keys() == base.state_dict().keys()
    assert all(torch.equal(v, before[k]) for k, v in base.state_dict().items())
    settings = dict(cam_filter='gt', outputs=('cam',), cam=dict(scales=(1.0,)))
    batch = predict_batch(model.eval())
    ours, theirs = (
        fields(m.predict(**copy.deepcopy(batch), **settings)) for m in (model, base)
    )
    assert_same_predictions(ours, theirs, exact=True)

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    losses = step(model, 0)
    terms = {k for k in losses if k.startswith('loss_')}
    assert terms == {f'loss_{term}' for term in model.train_cfg['weights']}
    grads = gradients(model, total(losses))
    trained = {k for k, p in model.named_parameters() if p.requires_grad}
    assert set(grads) == trained
    assert {k.split('.')[0] for k in trained} == {'backbone', 'cam_head'}
    optimizer.step()
    for key, value in model.state_dict().items():
        if not value.is_floating_point() or key.startswith(('backbone.', 'losses.')):
            continue
        assert torch.equal(value, before[key]) == (key not in trained), key
    teacher = model.base.network
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())
    assert not teacher.training and model.training
    base.load_state_dict(model.state_dict(), strict=True)


@pytest.mark.parametrize('config', (CAM, 'eps'))
def test_loss_falls(config: str, tmp_path) -> None:
    """A few steps on one batch bring the student nearer to the target."""
    model = wrapped(config, tmp_path, train_cfg=dict(weights=dict(mac=1.0)))
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], lr=0.1
    )
    values = []
    for _ in range(8):
        loss = step(model, 0)['loss_mac']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    assert values[-1] < values[0]


def test_bases_settings_are_taken(tmp_path) -> None:
    """How views meet is the base's business: EPS sums, ToCo takes the maximum."""
    assert wrapped('eps', tmp_path).settings.pair == 'sum'
    assert wrapped('eps', tmp_path).settings.normalise == 'max'
    assert wrapped('eps', tmp_path).settings.scales == (0.5, 1.0, 1.5, 2.0)
    model = wrapped(TOCO, tmp_path, self_training=dict(normalise='max'))
    assert (model.settings.pair, model.settings.normalise) == ('max', 'max')


# ------------------------------------------------------------------ teacher
@pytest.mark.parametrize('config', (CAM, TOCO, 'eps'))
@pytest.mark.parametrize('scales', [(0.5, 1.0, 1.5, 2.0), (0.5,), (1.0, 2.0)])
def test_teacher_is_the_fused_cam_of_the_base(config: str, scales, tmp_path) -> None:
    """Online and precomputed maps agree where the geometry is the identity."""
    model = wrapped(config, tmp_path, self_training=dict(scales=scales))
    data = batch_of_whole_images(model)
    labels = model.image_labels(data['data_samples'], 'cpu')
    online = model.fused_attention(data['inputs'], data['data_samples'], labels, None)
    made = class_maps(
        base_model(config),
        copy.deepcopy(data),
        cam_filter='gt',
        cam=dict(scales=scales, add_one=False),
    )
    for maps, one, ids in zip(online, made, labels.ids, strict=True):
        torch.testing.assert_close(maps[ids > 0], one[1].maps, rtol=1e-5, atol=1e-5)

    given = wrapped(config, tmp_path, self_training=dict(source='fused'))
    assert given.base.network is None
    for one, found in zip(data['data_samples'], made, strict=True):
        path = tmp_path / f'{one.img_id}.npz'
        save_scores(path, found[1].maps.numpy(), found[1].ids.tolist(), (SIZE, SIZE))
        scores = load_scores(path, 'cam', (SIZE, SIZE)).scores
        one.fused = PixelData(data=torch.from_numpy(scores))
    ours, theirs = (
        float(m.eval().loss(**data)['loss_mac'].detach()) for m in (model, given)
    )
    assert ours == pytest.approx(theirs, rel=2e-3)  # half precision on disk


@MODELS.register_module(force=True)
class GradientMaps(WeakSegmentor):
    """A CAM network whose class maps are gradients, scaled by what a data set says."""

    MAPS_NEED_GRAD = True
    factor = 1.0

    def use_metainfo(self, metainfo) -> None:
        super().use_metainfo(metainfo)
        self.factor = metainfo['factor']

    def view_maps(self, features, labels):
        final = features.maps[-1]
        scores = labels.gather(self.image_scores(features)).sum(0)
        grads = [torch.autograd.grad(s, final, retain_graph=True)[0] for s in scores]
        maps = torch.stack([(g * final).sum(1) for g in grads], 1)
        return (ClassMaps((self.factor - maps.detach()).relu(), labels=labels),)


def gradient_cfg(**settings) -> dict:
    return base_cfg(CAM) | dict(type='GradientMaps', aux_cam_head=None) | settings


def test_a_base_whose_maps_are_gradients(tmp_path) -> None:
    """The frozen teacher makes them, and is told of the data set as the student is."""
    torch.manual_seed(0)
    base = MODELS.build(gradient_cfg())
    base.init_weights()
    torch.save(dict(state_dict=base.state_dict()), tmp_path / 'base.pth')
    model = MODELS.build(
        dict(
            type='MultiScaleSelfTraining',
            segmentor=gradient_cfg(),
            checkpoint=str(tmp_path / 'base.pth'),
            losses=dict(mac=dict(type='AttentionConsistency', kind='relu')),
            self_training=dict(scales=(1.0, 1.5)),
            data_preprocessor=dict(zero_padding=('img',)),
        )
    )
    model.use_metainfo(dict(factor=2.0))  # before there is a teacher
    model.init_weights()
    assert model.base.network.factor == model.segmentor.factor == 2.0
    base.use_metainfo(dict(factor=2.0))
    data = batch_of_whole_images(model)
    labels = model.image_labels(data['data_samples'], 'cpu')
    online = model.fused_attention(data['inputs'], data['data_samples'], labels, None)
    assert online.any() and not online.requires_grad
    cam = dict(scales=(1.0, 1.5), add_one=False)
    made = class_maps(base.eval(), copy.deepcopy(data), cam_filter='gt', cam=cam)
    for maps, one, ids in zip(online, made, labels.ids, strict=True):
        torch.testing.assert_close(maps[ids > 0], one[1].maps, rtol=1e-5, atol=1e-5)
    loss = step(model, 0)['loss_mac']
    assert set(gradients(model, loss)) and torch.isfinite(loss)


def test_nothing_to_draw_to_the_target_is_refused() -> None:
    cfg = gradient_cfg(cam_head=None, losses={}, train_cfg={})
    with pytest.raises(UserError, match='GradientMaps has no cam_head.*dense_logits'):
        MODELS.build(dict(type='MultiScaleSelfTraining', segmentor=cfg))


def batch_of_whole_images(model) -> dict:
    """A training batch without padding, images of as many classes."""
    data = train_batch(model, (0, 1, 2))
    data['data_samples'] = [
        sample(LABELS[i], (SIZE, SIZE), i, (0, SIZE, 0, SIZE)) for i in (0, 1, 2)
    ]
    return data


def test_only_the_listed_scales_run(tmp_path, monkeypatch) -> None:
    model = wrapped(CAM, tmp_path, self_training=dict(scales=(0.5,)))
    teacher, seen = model.base.network, []
    encode = teacher.encode
    monkeypatch.setattr(
        teacher, 'encode', lambda x: seen.append(tuple(x.shape)) or encode(x)
    )
    step(model, 0)
    assert seen == [(4, 3, SIZE // 2, SIZE // 2)]


def test_padding_is_background(tmp_path) -> None:
    model = wrapped(CAM, tmp_path)
    data = train_batch(model)
    labels = model.image_labels(data['data_samples'], 'cpu')
    box = valid_boxes(data['data_samples'])
    fused = model.fused_attention(data['inputs'], data['data_samples'], labels, box)
    y0, _, _, x1 = box[1].tolist()
    assert (y0, x1) == (8, 80) and not fused[1, :, :y0].any()
    assert not fused[1, :, :, x1:].any() and fused[1, :, y0:, :x1].any()
    target = model.target(fused, labels)
    assert target.shape == (2, 7, SIZE // 4, SIZE // 4)
    assert (target[1, -1, :, -3:] == 1).all()
    assert torch.equal(target.amax(1), torch.ones(2, SIZE // 4, SIZE // 4))


def test_teacher_follows_the_device(tmp_path) -> None:
    model = wrapped(CAM, tmp_path).double()
    assert next(model.base.network.parameters()).dtype == torch.float64
    assert not any(name.startswith('teacher.') for name, _ in model.named_modules())
    other = copy.deepcopy(model)
    assert other.base.network is not model.base.network


@pytest.mark.parametrize('reactivated', [True, False])
def test_reactivation_is_an_option(reactivated: bool, tmp_path) -> None:
    model = wrapped(
        CAM,
        tmp_path,
        self_training=dict(reactivated=reactivated, bkg_thr=0.3, stride=8),
    )
    labels = ImageLabels.from_lists([(0, 3)], 6)
    fused = torch.rand(1, 2, SIZE, SIZE)
    target = model.target(fused, labels)
    assert target.shape[-2:] == (SIZE // 8, SIZE // 8)
    assert not target[:, [1, 2, 4, 5]].any()
    if reactivated:
        assert (target.amax(1) == 1).all()
    else:
        assert (target[:, -1] == 0.3).all()
    full = torch.zeros(1, 6, *target.shape[-2:])
    full[:, [0, 3]] = torch.nn.functional.interpolate(
        fused, target.shape[-2:], mode='bilinear', align_corners=True
    )
    expected = attention_target(full, labels.score, 0.3, reactivated)
    assert torch.equal(target, expected)


# ------------------------------------------------------------------ bad input
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


# ------------------------------------------------------------------ configs
def test_settings_of_tools_reach_the_network() -> None:
    """--tta and --post-processor, where the model is around another one."""
    from mmwsss.cli.inference_options import apply_post_processor, apply_tta

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


def test_seeds_give_one_base() -> None:
    """The tester's models start from one base: student and teacher alike."""
    model, teacher = build(SMAF), build(SMAF).base.network.state_dict()
    assert all(
        torch.equal(v, teacher[k])
        for k, v in model.state_dict().items()
        if '_ema.' not in k
    )  # these are told apart by the tester
