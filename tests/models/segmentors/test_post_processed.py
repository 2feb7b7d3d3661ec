# Licensed under Apache-2.0.
"""Post-processing of mmseg's own segmentors, against the same done by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.io.weights import load_weights_strict
from mmwsss.labelers.refiners.crf_refiner import DenseCRF
from mmwsss.models.segmentors.post_processed import PostProcessed
from mmwsss.registry import MODELS

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
CRF = dict(type='mmwsss.DenseCRF', preset='psa', iter_max=3)
BN = dict(type='BN')
BACKBONES = dict(
    FCN=dict(
        backbone=dict(
            type='ResNetV1c',
            depth=18,
            base_channels=4,
            num_stages=4,
            norm_cfg=BN,
            norm_eval=False,
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
        ),
        decode_head=dict(
            type='FCNHead',
            in_channels=32,
            in_index=3,
            channels=8,
            num_convs=1,
            norm_cfg=BN,
        ),
    ),
    SegFormer=dict(
        backbone=dict(
            type='MixVisionTransformer',
            embed_dims=8,
            num_layers=[1, 1, 1, 1],
            num_heads=[1, 1, 1, 1],
        ),
        decode_head=dict(
            type='SegformerHead',
            in_channels=[8, 8, 8, 8],
            in_index=[0, 1, 2, 3],
            channels=8,
            norm_cfg=BN,
        ),
    ),
)


@MODELS.register_module(force=True)
class KeepAsIs(nn.Module):
    """Remembers what it was given and changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Tensor, Tensor]] = []

    def forward(self, pixels: Tensor, prob: Tensor) -> Tensor:
        self.calls.append((pixels, prob))
        return prob


def stock(
    name: str = 'FCN', classes: int = 4, cleaner: dict | None = None, **head
) -> dict:
    """A config as mmseg's, tiny."""
    cfg = copy.deepcopy(BACKBONES[name])
    cfg['decode_head'] |= dict(num_classes=classes, align_corners=False) | head
    cleaner = dict(bgr_to_rgb=True, test_cfg=dict(size_divisor=32)) | (cleaner or {})
    return ConfigDict(
        type='mmseg.EncoderDecoder',
        train_cfg={},
        test_cfg=dict(mode='whole'),
        **cfg,
        data_preprocessor=dict(
            type='SegDataPreProcessor',
            mean=MEAN,
            std=STD,
            pad_val=0,
            seg_pad_val=255,
            size=(32, 32),
        )
        | cleaner,
    )


def wrapped(cfg: dict, post_processor: dict = CRF, **settings) -> nn.Module:
    return MODELS.build(
        dict(
            type='mmwsss.PostProcessed',
            segmentor=cfg,
            post_processor=post_processor,
            **settings,
        )
    )


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')
    torch.manual_seed(0)
    yield
    init_default_scope('mmwsss')


def pair(
    cfg: dict, post_processor: dict = CRF, **settings
) -> tuple[nn.Module, nn.Module]:
    """The plain model and the post-processed one, of the same weights."""
    plain, refined = MODELS.build(cfg), wrapped(cfg, post_processor, **settings)
    with torch.no_grad():  # logits that say something, of deviation 2
        plain.eval().init_weights()
        last = plain.decode_head.conv_seg
        nn.init.normal_(last.weight)
        ready = plain.data_preprocessor(batch())
        last.weight *= 2 / plain(ready['inputs']).std()
    refined.load_state_dict(plain.state_dict())
    return plain, refined.eval()


def batch(sizes=((40, 50),), ori=None, **meta) -> dict:
    """Photos (BGR, as mmseg loads them) and their samples."""
    generator = torch.Generator().manual_seed(1)
    inputs = [
        torch.randint(0, 256, (3, 5, 5), generator=generator).float() for _ in sizes
    ]
    inputs = [
        nn.functional.interpolate(x[None], s, mode='bicubic')[0].clamp(0, 255).byte()
        for x, s in zip(inputs, sizes)
    ]
    samples = [
        SegDataSample(metainfo=dict(ori_shape=ori or s, img_shape=s, **meta))
        for s in sizes
    ]
    return dict(inputs=inputs, data_samples=samples)


@pytest.mark.parametrize('name', BACKBONES)
def test_equals_the_crf_by_hand(name: str) -> None:
    """Padding, channel order, normalisation and size are undone."""
    plain, refined = pair(stock(name))
    data = batch([(40, 50), (40, 50)], ori=(60, 75))
    with torch.no_grad():
        before = plain.test_step(copy.deepcopy(data))
        after = refined.test_step(copy.deepcopy(data))
    crf, changed = DenseCRF(preset='psa', iter_max=3), 0
    for photo, old, new in zip(data['inputs'], before, after):
        pixels = nn.functional.interpolate(
            photo.flip(0)[None].float(), (60, 75), mode='bilinear'
        )
        prob = crf(pixels, old.seg_logits.data.softmax(0)[None])
        label = new.pred_sem_seg.data
        assert label.shape == (1, 60, 75) and label.dtype == torch.int64
        assert torch.equal(label, prob.argmax(1))
        assert torch.equal(new.seg_logits.data, old.seg_logits.data)
        changed += int((label != old.pred_sem_seg.data).sum())
    assert changed


@pytest.mark.parametrize(
    'cleaner,order',
    [
        ({}, 'rgb'),
        (dict(bgr_to_rgb=False), 'bgr'),
        (dict(bgr_to_rgb=False, rgb_to_bgr=True), 'bgr'),
        (dict(bgr_to_rgb=False, mean=None, std=None), 'bgr'),
    ],
)
def test_grey_levels(cleaner: dict, order: str) -> None:
    _, model = pair(stock(cleaner=cleaner), dict(type='mmwsss.KeepAsIs'))
    assert model.channel_order == order
    data = batch()
    model.test_step(copy.deepcopy(data))
    ((pixels, prob),) = model.post_processor.calls
    # the pipeline loads BGR, or RGB before rgb_to_bgr
    want = data['inputs'][0] if cleaner.get('rgb_to_bgr') else data['inputs'][0].flip(0)
    torch.testing.assert_close(pixels[0], want.float(), atol=1e-3, rtol=0)
    torch.testing.assert_close(prob.sum(1), torch.ones(1, 40, 50))


def test_channel_order_can_be_said() -> None:
    _, model = pair(
        stock(cleaner=dict(bgr_to_rgb=False)),
        dict(type='mmwsss.KeepAsIs'),
        channel_order='rgb',
    )
    data = batch()
    model.test_step(copy.deepcopy(data))
    pixels = model.post_processor.calls[0][0]
    torch.testing.assert_close(pixels[0], data['inputs'][0].float(), atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match="got 'grb'"):
        wrapped(stock(), channel_order='grb')


@pytest.mark.parametrize('direction', ['horizontal', 'vertical'])
def test_flipped_inputs(direction: str) -> None:
    _, model = pair(stock(), dict(type='mmwsss.KeepAsIs'))
    data = batch(flip=True, flip_direction=direction)
    upright = data['inputs'][0].flip(0)
    axis = -1 if direction == 'horizontal' else -2
    data['inputs'][0] = data['inputs'][0].flip(axis)
    model.test_step(data)
    pixels = model.post_processor.calls[0][0]
    torch.testing.assert_close(pixels[0], upright.float(), atol=1e-3, rtol=0)


@pytest.mark.parametrize('classes', [4, 1])
def test_without_a_change_the_prediction_is_the_plain_one(classes: int) -> None:
    """Also for a binary model of one channel, with its own threshold."""
    head = (
        dict(
            out_channels=1,
            threshold=0.5,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True),
        )
        if classes == 1
        else {}
    )
    plain, model = pair(
        stock(classes=max(classes, 2), **head), dict(type='mmwsss.KeepAsIs')
    )
    (old,) = plain.test_step(batch())
    (new,) = model.test_step(batch())
    assert model.post_processor.calls[0][1].shape[1] == max(classes, 2)
    assert torch.equal(new.pred_sem_seg.data, old.pred_sem_seg.data)
    assert new.pred_sem_seg.data.dtype == old.pred_sem_seg.data.dtype
    assert old.pred_sem_seg.data.any()


def test_images_of_one_size_go_together_on_a_gpu() -> None:
    _, model = pair(stock(), dict(type='mmwsss.KeepAsIs'))
    shapes = [(4, 8, 8), (4, 8, 9), (4, 8, 8)]
    samples = []
    for shape in shapes:
        samples.append(SegDataSample())
        samples[-1].seg_logits = PixelData(data=torch.zeros(shape))
    assert model._together(samples, on_gpu=True) == [[0, 2], [1]]
    assert model._together(samples, on_gpu=False) == [[0], [1], [2]]


def test_batched_equals_one_by_one(monkeypatch) -> None:
    _, model = pair(stock())
    data = batch([(40, 50)] * 3)
    one_by_one = model.test_step(copy.deepcopy(data))
    monkeypatch.setattr(
        type(model), '_together', staticmethod(lambda s, gpu: [list(range(len(s)))])
    )
    together = model.test_step(data)
    for a, b in zip(one_by_one, together):
        assert torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data)


def test_checkpoints_fit_both_ways() -> None:
    plain, refined = MODELS.build(stock()), wrapped(stock())
    assert list(plain.state_dict()) == list(refined.state_dict())
    names = [name for name, _ in plain.named_parameters()]
    assert names == [name for name, _ in refined.named_parameters()]
    load_weights_strict(refined, plain.state_dict())
    load_weights_strict(plain, refined.state_dict())
    assert isinstance(refined, PostProcessed) and type(refined.segmentor) is type(plain)


def test_training_is_the_plain_one() -> None:
    plain, refined = pair(stock())
    data = batch([(32, 32)] * 2)
    for one in data['data_samples']:
        one.gt_sem_seg = PixelData(data=torch.randint(0, 4, (1, 32, 32)))
    losses = []
    for model in (plain.train(), refined.train()):
        torch.manual_seed(0)
        ready = model.data_preprocessor(copy.deepcopy(data), True)
        losses.append(model(**ready, mode='loss')['decode.loss_ce'])
        assert losses[-1].requires_grad
    assert torch.equal(*losses)
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(plain.eval()(image), refined.eval()(image))


def test_copies_are_independent() -> None:
    _, model = pair(stock())
    twin = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.data.zero_()
    assert any(p.any() for p in twin.parameters())
    twin.test_step(batch())


def test_without_samples() -> None:
    _, model = pair(stock())
    (out,) = model.predict(torch.randn(1, 3, 32, 32))
    assert out.pred_sem_seg.data.shape == (1, 32, 32)


def test_the_runner_s_data_preprocessor_is_handed_on() -> None:
    cfg = stock()
    cleaner = cfg.pop('data_preprocessor')
    model = wrapped(cfg, data_preprocessor=cleaner)
    assert torch.equal(model.data_preprocessor.mean.flatten(), torch.tensor(MEAN))
    assert model.channel_order == 'rgb' and 'data_preprocessor' not in cfg


def test_scores_of_a_mask_classifier_are_no_logits() -> None:
    _, model = pair(stock())
    scores = torch.tensor([0.2, 0.7, 0.1, 0.0]).view(1, 4, 1, 1)
    assert torch.equal(model._probabilities(scores), scores.softmax(1))
    kind = type(model.decode_head)
    model.decode_head.__class__ = type('Mask2FormerHead', (kind,), {})
    assert torch.equal(model._probabilities(scores), scores)
    model.from_logits = True
    assert torch.equal(model._probabilities(scores), scores.softmax(1))


def test_our_own_networks_get_their_setting() -> None:
    from mmengine.config import Config

    from tests.helpers import ROOT

    init_default_scope('mmwsss')
    cfg = Config.fromfile(ROOT / 'configs/cam/cam_vit-t_shapes.py').model
    cfg.backbone.pretrained = None
    model = wrapped(cfg)
    assert model.test_cfg['post_processor'] == CRF
    assert model.refined_inside


def test_what_is_no_segmentor_is_refused() -> None:
    with pytest.raises(TypeError, match='got PAR'):
        wrapped(dict(type='mmwsss.PAR'))


def test_predictions_without_logits_are_refused() -> None:
    _, model = pair(stock())
    with pytest.raises(ValueError, match='needs seg_logits'):
        model._together([SegDataSample()], False)


def test_other_than_three_channels_are_refused() -> None:
    cfg = stock(cleaner=dict(bgr_to_rgb=False, mean=None, std=None))
    cfg['backbone']['in_channels'] = 4
    with pytest.raises(ValueError, match='three channels, got 4'):
        wrapped(cfg).eval().predict(torch.rand(1, 4, 32, 32))


def test_only_what_is_the_same_outside_is_passed_on() -> None:
    """What a training reads of a wrapper must be the wrapper's: no silent other one."""
    _, model = pair(stock())
    inner = model.segmentor
    assert model.decode_head is inner.decode_head and model.test_cfg is inner.test_cfg
    assert model.with_decode_head and not model.with_auxiliary_head
    inner.active = {'seg'}
    with pytest.raises(AttributeError, match=r"no 'active'; .*unwrap\(model\)\.active"):
        _ = model.active
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = model.nothing
