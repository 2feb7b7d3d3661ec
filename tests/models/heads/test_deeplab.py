# Licensed under Apache-2.0.
"""DeepLab-v1 and -v2: decoders, several scales, the configs that retrain with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn

from mmwsss.cam import resize
from mmwsss.datasets.transforms.hsv_shift import HSVShift, shift_hsv
from mmwsss.datasets.transforms.pil_pad_crop import PILPadCrop
from mmwsss.datasets.transforms.pil_random_scale import PILRandomScale
from mmwsss.engine.schedulers.poly_warmup_lr import PolyWarmupLR
from mmwsss.models.heads.deeplabv1_head import DeepLabV1Head
from mmwsss.models.heads.deeplabv2_head import DeepLabV2Head
from mmwsss.models.segmentors.multi_scale_encoder_decoder import (
    MultiScaleEncoderDecoder,
)
from mmwsss.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from tests.helpers import ROOT

V1 = 'configs/semformer/deeplabv1_wr38_voc-pseudo.py'
V2 = 'configs/pseudo/deeplabv2_r101_voc-pseudo.py'


def small(config: str, **settings) -> MultiScaleEncoderDecoder:
    """The model of a config in little, with seeded random weights."""
    init_default_scope('mmwsss')
    cfg = Config.fromfile(ROOT / config).model
    if config == V1:
        cfg.backbone.update(widths=(4, 4, 8, 8, 12, 16, 16), pretrained=None)
        cfg.decode_head.update(in_channels=16, channels=8)
    else:
        cfg.backbone.update(depth=50, base_channels=4, init_cfg=None)
        cfg.decode_head.update(in_channels=128)
    for name, value in settings.items():
        cfg[name] = dict(value)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    return model


def batch(size: int = 64) -> dict:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, size, size, generator=generator)
    samples = []
    for _ in range(2):
        truth = torch.randint(0, 21, (1, size, size), generator=generator)
        truth[:, :5] = 255
        sample = SegDataSample(
            metainfo=dict(ori_shape=(size, size), img_shape=(size, size))
        )
        sample.gt_sem_seg = PixelData(data=truth)
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)


def test_v1_head() -> None:
    head = DeepLabV1Head(16, 8, num_classes=5)
    assert head.conv6.conv.dilation == head.conv6.conv.padding == (12, 12)
    assert head.conv7.conv.kernel_size == (1, 1) and head.conv_seg.bias is not None
    assert type(head.dropout) is nn.Dropout and head.align_corners
    assert head((torch.randn(2, 16, 9, 11),)).shape == (2, 5, 9, 11)


def test_v2_head_is_a_sum_of_classifiers() -> None:
    torch.manual_seed(0)
    head = DeepLabV2Head(6, num_classes=3, dilations=(1, 3))
    head.init_weights()
    x = torch.randn(1, 6, 9, 9)
    parts = [
        F.conv2d(x, c.weight, c.bias, padding=d, dilation=d)
        for c, d in zip(head.convs, (1, 3), strict=True)
    ]
    torch.testing.assert_close(head((x,)), parts[0] + parts[1])
    assert {k.split('.')[0] for k in head.state_dict()} == {'convs'}
    assert not any(c.bias.any() for c in head.convs)


def test_v2_losses_of_all_scales() -> None:
    """Cross entropies at three scales and of their maximum, each on its own grid."""
    model, data = small(V2).train(), batch(65)
    losses = model.loss(**data)
    logits = [
        model.decode_head(
            model.extract_feat(resize(data['inputs'], (int(65 * s), int(65 * s))))
        )
        for s in (1, 0.5, 0.75)
    ]
    assert [x.shape[-1] for x in logits] == [9, 5, 7]
    top = logits[0]
    for x in logits[1:]:
        top = torch.maximum(top, resize(x, (9, 9)))
    truth = torch.stack([s.gt_sem_seg.data for s in data['data_samples']]).float()
    for name, x in zip(('1', '0.5', '0.75', 'max'), [*logits, top], strict=True):
        label = F.interpolate(truth, x.shape[-2:], mode='nearest')[:, 0].long()
        expected = F.cross_entropy(x, label, ignore_index=255)
        torch.testing.assert_close(losses[f'loss_{name}'], expected)
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize('config', [V1, V2])
def test_prediction_fuses_scales(config: str) -> None:
    model, data = small(config).eval(), batch()
    views = []
    with torch.no_grad():
        for scale in model.test_scales:
            size = int(64 * scale)
            for flip in (False, True) if model.flip else (False,):
                x = resize(data['inputs'], (size, size))
                x = model.decode_head(model.extract_feat(x.flip(-1) if flip else x))
                x = F.interpolate(
                    x, (64, 64), mode='bilinear', align_corners=config == V1
                )
                views.append(x.flip(-1) if flip else x)
        stack = torch.stack(views)
        expected = stack.mean(0) if config == V1 else stack.amax(0)
        got = model.predict(**data)
    assert len(views) == (12 if config == V1 else 3)
    for one, logits in zip(got, expected, strict=True):
        torch.testing.assert_close(one.seg_logits.data, logits, rtol=1e-4, atol=1e-5)


def test_without_settings_it_is_mmsegs() -> None:
    plain = small(V1, test_cfg={}).eval()
    stock = MODELS.get('mmseg.EncoderDecoder')
    data = batch()
    with torch.no_grad():
        ours = plain.whole_inference(data['inputs'], [dict(img_shape=(64, 64))] * 2)
        theirs = stock.whole_inference(
            plain, data['inputs'], [dict(img_shape=(64, 64))] * 2
        )
    torch.testing.assert_close(ours, theirs)
    torch.manual_seed(0)
    losses = plain.train().loss(**data)
    assert set(losses) == {'decode.loss_ce', 'decode.acc_seg'}


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(train_cfg=dict(scales=(0.5, 1))), 'must begin with 1'),
        (dict(test_cfg=dict(scales=())), 'test_cfg.scales must hold positive numbers'),
        (dict(test_cfg=dict(fuse='sum')), "fuse be one of.*'sum'"),
    ],
)
def test_wrong_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(V2, **settings)


def optimizer_of(config: str) -> tuple:
    """The full-size model without memory, its optimizer, and the whole config."""
    init_default_scope('mmwsss')
    cfg = Config.fromfile(ROOT / config)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    wrapper = cfg.optim_wrapper.copy()
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.get(wrapper.pop('constructor'))
    optimizer = constructor(wrapper, wrapper.pop('paramwise_cfg'))(model).optimizer
    return model, optimizer, cfg


@pytest.mark.parametrize('config, lr', [(V1, 1e-3), (V2, 2.5e-4)])
def test_full_size_groups(config: str, lr: float) -> None:
    model, optimizer, cfg = optimizer_of(config)
    group = {id(p): g for g in optimizer.param_groups for p in g['params']}
    for key, p in model.named_parameters():
        if not p.requires_grad:
            assert '.bn' in key or '.norm' in key or 'downsample.1' in key, key
            continue
        mult = 1 if key.startswith('backbone') else 20 if key.endswith('bias') else 10
        decay = 0 if key.endswith('bias') else 5e-4
        got = group[id(p)]
        assert (got['lr'], got['weight_decay'], got['momentum']) == pytest.approx(
            (lr * mult, decay, 0.9)
        ), key
    schedule = dict(cfg.param_scheduler[0])
    assert schedule.pop('type') == 'PolyWarmupLR'
    poly = PolyWarmupLR(optimizer, **schedule, end=cfg.train_cfg.max_iters)
    at_7 = (1 - 7 / 20001) ** 0.9 if config == V1 else 1.0
    assert poly.factor(7) == pytest.approx(at_7) and poly.power == 0.9
    assert cfg.auto_scale_lr.base_batch_size == 2 * cfg.train_dataloader.batch_size


def test_resnet_is_deeplabs() -> None:
    model = small(V2)
    assert model.backbone.maxpool.ceil_mode
    block = model.backbone.layer2[0]
    assert block.conv1.stride == (2, 2) and block.conv2.stride == (1, 1)
    dilations = [
        layer[1].conv2.dilation
        for layer in (model.backbone.layer3, model.backbone.layer4)
    ]
    assert dilations == [(2, 2), (4, 4)]
    assert model.extract_feat(torch.zeros(1, 3, 321, 321))[0].shape[-2:] == (41, 41)
    assert not any(
        m.training
        for m in model.train().backbone.modules()
        if isinstance(m, nn.BatchNorm2d)
    )


# ------------------------------------------------------------------ transforms


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_hsv_shift() -> None:
    img = picture()
    grey = np.full((4, 4, 3), 100, np.uint8)
    np.testing.assert_array_equal(shift_hsv(grey, (50, 0, 10)), grey + 10)
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 200
    assert shift_hsv(red, (60, 0, 0))[0, 0].tolist() == [0, 200, 0]
    assert shift_hsv(red, (-60, 0, 0))[0, 0].tolist() == [0, 0, 200]  # wraps around
    assert shift_hsv(red, (0, -255, 0))[0, 0].tolist() == [200, 200, 200]
    assert shift_hsv(red, (0, 0, 99))[0, 0].tolist() == [255, 0, 0]
    swapped = shift_hsv(img[..., ::-1].copy(), (3, 4, 5), rgb=False)[..., ::-1]
    np.testing.assert_array_equal(shift_hsv(img, (3, 4, 5)), swapped)
    changed = HSVShift(10).transform(dict(img=img))['img']
    assert changed.shape == img.shape and (changed != img).any()
    with pytest.raises(ValueError, match='limit'):
        HSVShift(-1)


def test_factors_and_corner() -> None:
    sizes = {
        PILRandomScale(factors=(0.5, 1.5)).transform(dict(img=picture()))['img_shape']
        for _ in range(30)
    }
    assert sizes == {(10, 15), (30, 45)}
    img = picture()
    out = PILPadCrop(40, fill=(1, 2, 3), random_pad=False).transform(dict(img=img))
    np.testing.assert_array_equal(out['img'][:20, :30], img)
    assert (out['img'][20:] == (1, 2, 3)).all() and out['valid_box'] == (0, 20, 0, 30)


def test_rates_that_are_held() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    poly = PolyWarmupLR(optimizer, 0, 100, power=1.0, hold=10)
    assert [round(poly.factor(t), 3) for t in (0, 9, 10, 19, 95)] == [
        1.0,
        1.0,
        0.9,
        0.9,
        0.1,
    ]
    with pytest.raises(ValueError, match='hold must be at least 1'):
        PolyWarmupLR(optimizer, 0, 100, hold=0)
