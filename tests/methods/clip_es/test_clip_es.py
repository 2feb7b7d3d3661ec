# Licensed under Apache-2.0.
"""CLIP-ES: what its predictions promise, what it refuses, and its loss."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mmwsss.io.errors import UserError
from mmwsss.methods.clip_es.clip_es import CLIPES
from mmwsss.methods.clip_es.confidence_guided_loss import ConfidenceGuidedLoss
from mmwsss.models.backbones.clip_vit import CLIPViT
from mmwsss.registry import MODELS
from mmwsss.structures import ImageLabels
from mmwsss.testing import fields, predict_batch
from mmwsss.testing.cam_method_tester import CAMMethodTester
from mmwsss.testing.predictions import assert_same_predictions
from mmwsss.testing.tiny_batches import train_batch
from tests.helpers.tiny_clip import clip_es_cfg, tiny_clip_es, vit_cfg


@pytest.fixture
def model() -> CLIPES:
    return tiny_clip_es()


class TestPredictions:
    """The shared tester's, without what is of training: there is none."""

    protocols = dict(
        native=dict(squash=None),
        squash=dict(squash=(96, 96)),
        tta=dict(cam=dict(scales=(1.0, 1.5), mirror=True)),
    )

    @pytest.mark.parametrize('cam_filter', ['gt', 'none'])
    @pytest.mark.parametrize('protocol', protocols)
    def test_predictions(self, model, protocol: str, cam_filter: str) -> None:
        CAMMethodTester.test_predictions(self, model, protocol, cam_filter)

    test_never_reads_labels = CAMMethodTester.test_prediction_never_reads_labels
    test_without_data_samples = CAMMethodTester.test_without_data_samples
    test_class_maps = CAMMethodTester.test_class_maps
    test_a_batch_is_its_images = CAMMethodTester.test_a_batch_is_its_images


def test_maps_are_one_classs_share(model) -> None:
    """A class's map is the same whatever slot it has, but not whoever competes."""
    stream = model.encode(torch.randn(1, 3, 64, 80)).extra['stream']
    maps = {}
    for present in ([1], [1, 4], [0, 1, 4]):
        labels = ImageLabels.from_lists([present], model.num_foreground)
        features = model.encode(torch.zeros(1, 3, 64, 80))
        features.extra['stream'] = stream
        (found,) = model.view_maps(features, labels)
        assert found.maps.shape == (1, len(present), 4, 5)
        maps[len(present)] = found.maps[0, present.index(1)]
        assert float(found.maps.min()) >= 0 and float(found.maps.max()) < 1
    assert not torch.equal(maps[1], maps[2])


def test_nothing_competes() -> None:
    """A picture without a class, and no background word: zeros, no NaN."""
    model = tiny_clip_es(texts=dict(num_background=0))
    labels = ImageLabels.from_lists([[], [2]], model.num_foreground)
    ((maps, *_),) = model.view_maps(model.encode(torch.randn(2, 3, 64, 64)), labels)
    assert not maps.any()


def test_nothing_is_trained(model) -> None:
    assert not [p for p in model.parameters() if p.requires_grad]
    with pytest.raises(UserError, match='nothing to train.*generate_pseudo_labels'):
        model.loss(**train_batch(model))
    for view in (False, True):
        model.predict(**predict_batch(model), cam_filter='gt')
        assert all(p.grad is None for p in model.parameters()), view


@pytest.mark.parametrize('words', [5, 0])
def test_scores(words: int) -> None:
    """A class against the background words; without any, against the others."""
    model = tiny_clip_es(texts=dict(num_background=words))
    features = model.encode(torch.randn(2, 3, 64, 64))
    prob = model.image_scores(features).sigmoid()
    vectors = model.backbone.embed(
        model.backbone.last_block(features.extra['stream']).tokens
    )
    texts = model.texts
    for c, one in enumerate(texts.foreground):
        others = [t for i, t in enumerate(texts.foreground) if i != c]
        every = torch.stack([one, *(texts.background if words else others)])
        cosines = torch.nn.functional.cosine_similarity(vectors[:, None], every, dim=-1)
        expected = (texts.scale * cosines).softmax(1)[:, 0]
        torch.testing.assert_close(prob[:, c], expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    'settings',
    [
        dict(affinity=None),
        dict(affinity=dict(threshold=0.7, last=2)),
        dict(affinity=dict(threshold=None)),
        dict(affinity=dict(closed=True)),
        dict(affinity=dict(squarings=0)),
        dict(affinity=dict(rounds=0)),
        dict(backbone=vit_cfg(position_rounding='none')),
    ],
)
def test_options_act(model, settings: dict[str, Any]) -> None:
    other = tiny_clip_es(**settings)
    maps = [
        fields(one.predict(**predict_batch(one), cam_filter='gt'))
        for one in (model, other)
    ]
    assert not torch.equal(maps[0][0]['pred_cam.score'], maps[1][0]['pred_cam.score'])


def test_fused_blocks_give_the_same(model) -> None:
    """Attention maps only where they are read."""
    other = tiny_clip_es(backbone=vit_cfg(attention_blocks=2, out_indices=(1,)))
    found = [
        fields(one.predict(**predict_batch(one), cam_filter='gt'))
        for one in (model, other)
    ]
    assert_same_predictions(found[0], found[1], exact=False)


def test_a_picture_as_long_as_a_text(model) -> None:
    """76 patches and a class token are 77 tokens, as a text has them."""
    images = torch.randn(1, 3, 64, 19 * 16)
    assert model.encode(images).extra['stream'].shape[1] == 77
    taps = model.backbone(images)
    assert len(taps) == model.backbone.num_layers - 1
    samples = model.predict(images, None, cam_filter='none')
    assert samples[0].pred_cam.score.shape == (1, 64, 19 * 16)


@pytest.mark.parametrize(
    'settings,message',
    [
        (dict(affinity=dict(threshold=2.0)), r'threshold must be in \[0, 1\], got 2'),
        (dict(affinity=dict(last=0)), 'last >= 1'),
        (dict(affinity=dict(lamda=0.4)), r"model.affinity has no \['lamda'\]"),
        (dict(backbone=dict(type='WSSSViT')), 'backbone.type=WSSSViT'),
        (dict(backbone=vit_cfg(out_indices=(2,))), 'the last block has no tap'),
        (dict(backbone=vit_cfg(attention_blocks=4)), 'attention_blocks=4 must be 1 to'),
        (dict(backbone=vit_cfg(position_rounding='int8')), 'position_rounding'),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CLIPES(**clip_es_cfg(**settings))


def test_texts_that_were_never_loaded(model) -> None:
    model.texts.foreground.zero_()
    with pytest.raises(UserError, match='text vectors.*not loaded'):
        model.predict(**predict_batch(model), cam_filter='gt')


def test_the_tower_in_a_stock_segmentor() -> None:
    """A frozen encoder of mmseg's EncoderDecoder; its decoder learns alone."""
    model = MODELS.build(
        dict(
            type='MultiScaleEncoderDecoder',
            backbone=vit_cfg(),
            decode_head=dict(
                type='mmseg.FCNHead',
                in_channels=24,
                in_index=1,
                channels=8,
                num_convs=1,
                num_classes=3,
                norm_cfg=dict(type='BN'),
                loss_decode=dict(type='ConfidenceGuidedLoss'),
            ),
        )
    )
    assert isinstance(model.backbone, CLIPViT)
    assert model.train().backbone.training is False
    logits = model.decode_head(model.extract_feat(torch.randn(2, 3, 64, 64)))
    label = torch.randint(0, 3, (2, 64, 64))
    loss = model.decode_head.loss_by_feat(logits, samples_of(label))['loss_cgl']
    loss.backward()
    assert all(p.grad is None for p in model.backbone.parameters())
    assert model.decode_head.conv_seg.weight.grad.any()


def samples_of(label: torch.Tensor) -> list:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    return [SegDataSample(gt_sem_seg=PixelData(data=one[None])) for one in label]


@pytest.mark.parametrize('conf_thr', [-0.1, 1.5])
def test_bad_thresholds_of_the_loss(conf_thr: float) -> None:
    with pytest.raises(ValueError, match='conf_thr'):
        ConfidenceGuidedLoss(conf_thr)


def test_loss_in_half_precision_and_its_gradient() -> None:
    torch.manual_seed(0)
    label = torch.randint(0, 3, (2, 6, 6))
    label[0, 0] = 255
    loss = ConfidenceGuidedLoss()
    logits = torch.randn(2, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: loss(x, label), (logits,))
    half = loss(logits.detach().half(), label)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, loss(logits.detach().float(), label), atol=1e-3,
                               rtol=1e-3)  # fmt: skip
    assert loss(logits, label, ignore_index=0) != loss(logits, label)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_on_a_gpu(model) -> None:
    """Maps, scores and loss as on the CPU."""
    images = torch.randn(2, 3, 96, 64)
    labels = ImageLabels.from_lists([[0, 3], [2]], model.num_foreground)
    ((expected, *_),) = model.view_maps(model.encode(images), labels)
    scores = model.image_scores(model.encode(images))
    model.cuda()
    on_gpu = ImageLabels(*(part.cuda() for part in labels))
    features = model.encode(images.cuda())
    ((found, *_),) = model.view_maps(features, on_gpu)
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        model.image_scores(features).cpu(), scores, rtol=1e-3, atol=1e-3
    )
    logits, label = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    torch.testing.assert_close(
        ConfidenceGuidedLoss()(logits.cuda(), label.cuda()).cpu(),
        ConfidenceGuidedLoss()(logits, label),
    )
