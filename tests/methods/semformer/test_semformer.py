# Licensed under Apache-2.0.
"""SemFormer's two stages through the shared tester, and what only they have."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.io.weights import CheckpointMismatch
from mmwsss.methods.semformer.class_token_vit import ClassTokenViT
from mmwsss.models.backbones.vit import WSSSViT
from mmwsss.registry import MODELS
from mmwsss.testing import (
    CAMMethodTester,
    TrainingTester,
    build,
    earlier_stage,
    gradients,
    predict_batch,
    step,
    total,
    train_batch,
)
from tests.helpers import ROOT

CAAE = 'configs/semformer/caae_deit-t_shapes.py'
SEMFORMER = 'configs/semformer/semformer_deit-t_shapes.py'


class TestCAAE(TrainingTester):
    """The auto-encoder: it has similarities, no CAM."""

    config = CAAE
    encoded = ((2, 3, 96, 96),)
    refused = ((dict(decoder=None), 'recon needs a decoder'),)

    def test_similarities(self, model) -> None:
        data = predict_batch(model.eval())
        both = model.predict(**data)
        alone = model.predict(data['inputs'][1:], None)
        assert both[0].pred_similarity.shape == (model.num_classes,)
        assert all((s.pred_similarity >= 0).all() for s in both)
        for one in both:
            assert torch.equal(one.pred_score, one.pred_similarity[1:])
        torch.testing.assert_close(
            both[1].pred_similarity, alone[0].pred_similarity, rtol=1e-4, atol=1e-5
        )
        listed = model.predict(list(data['inputs']), None)  # sizes may differ
        torch.testing.assert_close(
            listed[1].pred_similarity, both[1].pred_similarity, rtol=1e-4, atol=1e-5
        )

    def test_semantics_learn_from_their_images_alone(self, model) -> None:
        """The gate; without it absent classes push semantics away too."""
        absent = [c for c in range(1, 7) if c not in (1, 4, 3)]  # of images 0 and 1
        grads = gradients(model, total(step(model, 0)))['semantics.table_weight']
        assert grads[[0, 1, 4, 3]].any(1).all() and not grads[absent].any()
        model.losses['sim'].gate = False
        grads = gradients(model, total(step(model, 0)))['semantics.table_weight']
        assert grads[absent].any(1).all()


class TestSemFormer(CAMMethodTester):
    """The segmentor."""

    config = SEMFORMER
    encoded = ((2, 3, 96, 96),)

    def test_the_judge_is_no_part_of_the_model(self, model) -> None:
        assert not [k for k in model.state_dict() if 'judge' in k or 'semantics' in k]
        assert not [k for k, _ in model.named_parameters() if 'judge' in k]
        network = model.train().judge.network
        assert not network.training and not any(
            p.requires_grad for p in network.parameters()
        )
        model.double()  # it moves with the model
        assert next(network.parameters()).dtype == torch.float64

    def test_prediction_needs_no_judge(self) -> None:
        cfg = Config.fromfile(ROOT / SEMFORMER).model
        cfg.caae.checkpoint = None
        model = MODELS.build(cfg).eval()
        model.predict(**predict_batch(model), cam_filter='gt')
        assert model.judge.network is None

    def test_one_pass_of_the_judge(self, model, monkeypatch) -> None:
        """Both kinds of images of all pairs at once; only what a term reads."""
        batches, caae = [], model.judge.load()
        patches = caae.patches
        monkeypatch.setattr(
            caae, 'patches', lambda x: (batches.append(len(x)), patches(x))[1]
        )
        step(model, 0)  # images with 2 and 1 objects, and background
        assert batches == [10]
        for term, expected in (('cf', [5]), ('ss', []), ('sup', [])):
            model = build(
                SEMFORMER,
                weights=dict.fromkeys(('cf', 'cb', 'sup', 'comp', 'ss'), 0.0)
                | {term: 1.0},
            )
            caae, seen = model.judge.load(), []
            real = caae.patches
            monkeypatch.setattr(
                caae,
                'patches',
                lambda x, real=real, seen=seen: (seen.append(len(x)), real(x))[1],
            )
            assert set(step(model, 0)) == {f'loss_{term}'}
            assert seen == expected

    def test_attention_is_a_switch(self, model) -> None:
        """No blocks, no attention: the CAM is the activation alone."""
        other = build(SEMFORMER)
        other.backbone.attention_blocks = 0
        data = predict_batch(model.eval())
        maps = [
            m.predict(**copy.deepcopy(data), cam_filter='gt', outputs=('cam',))
            for m in (model, other.eval())
        ]
        assert not torch.equal(maps[0][0].pred_cam.score, maps[1][0].pred_cam.score)
        features = other.encode(data['inputs'])
        assert features.attention is None
        assert torch.equal(
            other.view_maps(features, None)[0].maps,
            other.cam_head.cam(features.maps).relu(),
        )

    @pytest.mark.parametrize('term', ['cf', 'cb', 'sup', 'comp'])
    def test_forms(self, model, term: str) -> None:
        """Released and paper form differ."""
        released = step(model, 0)[f'loss_{term}']
        model.losses[term].form = 'paper'
        paper = step(model, 0)[f'loss_{term}']
        assert torch.isfinite(paper) and not torch.equal(released, paper)

    def test_token_dropout(self, model) -> None:
        """Half of the patches are bias only, the others doubled."""
        head, maps = model.cam_head, (torch.randn(2, 96, 12, 12),)
        plain = head.eval().activation(maps)
        dropped = head.train().activation(maps)
        bias = head.classifier.bias[:, None, None]
        gone = torch.isclose(dropped, bias.expand_as(dropped), atol=1e-6).all(1)
        assert 0.3 < gone.float().mean() < 0.7
        expected = torch.where(gone[:, None], bias, 2 * (plain - bias) + bias)
        torch.testing.assert_close(dropped, expected)


def config(tmp_path: Path, **caae) -> Config:
    """The tiny config with a fresh auto-encoder."""
    init_default_scope('mmwsss')
    cfg = Config.fromfile(ROOT / SEMFORMER).model
    cfg.backbone.pretrained = None
    cfg.caae.checkpoint = earlier_stage(cfg.caae, tmp_path, cfg.num_classes)
    cfg.caae.update(caae)
    return cfg


@pytest.mark.parametrize(
    'caae,error,message',
    [
        (
            dict(checkpoint=None),
            ValueError,
            r'frozen CAAE is not set.*caae_\*\.py.*model\.caae\.checkpoint=FILE',
        ),
        (
            dict(checkpoint='nowhere/caae.pth'),
            FileNotFoundError,
            r'nowhere/caae\.pth.*Train the auto-encoder first',
        ),
        (
            dict(semantics=dict(type='ClassSemantics', in_channels=96, channels=16)),
            CheckpointMismatch,
            r'frozen CAAE.*different shape',
        ),
    ],
)
def test_wrong_auto_encoder(tmp_path, caae: dict, error: type, message: str) -> None:
    """Told before training, by name."""
    model = MODELS.build(config(tmp_path, **caae))
    with pytest.raises(error, match=f'(?s){message}'):
        model.init_weights()


def test_auto_encoder_of_another_data_set(tmp_path) -> None:
    cfg = config(tmp_path)
    cfg.num_classes = 5
    with pytest.raises(CheckpointMismatch, match='made for 7 classes.*num_classes=5'):
        MODELS.build(cfg).init_weights()


def test_foreign_file(tmp_path) -> None:
    cfg = config(tmp_path)
    torch.save(dict(state_dict={'decode_head.x': torch.zeros(1)}), cfg.caae.checkpoint)
    with pytest.raises(CheckpointMismatch, match='Not one key agrees'):
        MODELS.build(cfg).init_weights()


def test_decoder_is_left_in_the_file(tmp_path) -> None:
    """A whole auto-encoder, as stage 1 saves it, fits."""
    cfg = config(tmp_path)
    whole = build(CAAE)
    torch.save(dict(state_dict=whole.state_dict()), cfg.caae.checkpoint)
    model = MODELS.build(cfg)
    model.init_weights()
    for key, value in model.judge.network.state_dict().items():
        assert torch.equal(value, whole.state_dict()[key]), key


# ------------------------------------------------------------------ pretrained weights
@pytest.fixture
def plain() -> dict:
    """A ViT's weights in timm's layout, distilled."""
    torch.manual_seed(0)
    vit = WSSSViT(
        arch=dict(embed_dims=12, num_layers=1, num_heads=2, feedforward_channels=24),
        img_size=32,
        patch_size=8,
        out_indices=(-1,),
    )
    vit.init_weights()
    state = {
        k.replace('layers.0.', 'layers.0.'): v for k, v in vit.state_dict().items()
    }
    return dict(state, cls_token=torch.randn(1, 1, 12))


def vit_config(**kwargs) -> dict:
    """The same network, of another kind."""
    return dict(
        arch=dict(embed_dims=12, num_layers=1, num_heads=2, feedforward_channels=24),
        patch_size=8,
        **kwargs,
    )


def test_class_tokens_start_as_copies(plain, tmp_path) -> None:
    torch.save(plain, tmp_path / 'vit.pth')
    vit = ClassTokenViT(
        num_tokens=5,
        attention_blocks=1,
        **vit_config(img_size=48, pretrained=str(tmp_path / 'vit.pth')),
    )
    vit.init_weights()
    assert torch.equal(vit.class_tokens, plain['cls_token'].expand(1, 5, 12))
    assert torch.equal(vit.class_pos, plain['pos_embed'][:, :1].expand(1, 5, 12))
    grid = plain['pos_embed'][:, 1:].transpose(1, 2).unflatten(2, (4, 4))
    expected = torch.nn.functional.interpolate(grid, (6, 6), mode='bicubic')
    torch.testing.assert_close(vit.pos_embed, expected.flatten(2).transpose(1, 2))


def test_distilled_weights(plain, tmp_path) -> None:
    """The slot of the distillation token is dropped, whatever the tokens."""
    slot = torch.randn(1, 1, 12)
    pos = plain['pos_embed']
    distilled = dict(
        plain, dist_token=slot, pos_embed=torch.cat([pos[:, :1], slot, pos[:, 1:]], 1)
    )
    for tokens in (True, False):
        torch.save(distilled, tmp_path / 'deit.pth')
        vit = WSSSViT(
            out_indices=(-1,),
            with_cls_token=tokens,
            **vit_config(img_size=32, pretrained=str(tmp_path / 'deit.pth')),
        )
        vit.init_weights()
        assert torch.equal(vit.pos_embed, pos if tokens else pos[:, 1:])


def test_wrong_numbers_of_blocks_and_tokens(tmp_path) -> None:
    with pytest.raises(ValueError, match='attention_blocks=2 must be 0 to 1'):
        ClassTokenViT(num_tokens=5, attention_blocks=2, **vit_config(img_size=32))
    cfg = config(tmp_path)
    cfg.backbone.num_tokens = 3
    with pytest.raises(ValueError, match='num_tokens=3 must be num_classes=7'):
        MODELS.build(cfg)


def test_fused_blocks_are_the_same(tmp_path) -> None:
    """Telling the attention changes no feature."""
    model = build(SEMFORMER).eval()
    data = train_batch(model)
    told = model.backbone.encode(data['inputs'], attention=True)
    quiet = model.backbone.encode(data['inputs'], attention=False)
    torch.testing.assert_close(told.maps[-1], quiet.maps[-1])
    torch.testing.assert_close(told.cls_token, quiet.cls_token)
    share = told.attention.sum((-2, -1))
    assert quiet.attention is None and (share > 0).all() and (share < 1).all()
