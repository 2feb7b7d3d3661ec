# Licensed under Apache-2.0.
"""A plain ViT that tells queries and keys, and AFA on it."""

from __future__ import annotations

import pytest
import torch

from mmwsss.methods.afa.affinity_head import attention_affinity
from mmwsss.methods.afa.query_key_vit import QueryKeyViT
from mmwsss.models.backbones.vit import WSSSViT
from mmwsss.testing import begins, build, predict_batch, step
from mmwsss.testing.config_files import load_config

TINY = dict(
    arch=dict(embed_dims=24, num_layers=3, num_heads=2, feedforward_channels=48),
    img_size=32,
    patch_size=8,
    out_indices=(2,),
)
IMAGES = torch.randn(2, 3, 24, 40, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def vit() -> QueryKeyViT:
    torch.manual_seed(0)
    return QueryKeyViT(**TINY).eval()


def test_the_maps_are_those_of_a_plain_vit(vit) -> None:
    plain = WSSSViT(**TINY).eval()
    plain.load_state_dict(vit.state_dict())
    told, features = vit.encode(IMAGES), plain.encode(IMAGES)
    torch.testing.assert_close(told.maps, features.maps, rtol=0, atol=0)
    torch.testing.assert_close(told.cls_token, features.cls_token, rtol=0, atol=0)
    assert told.attention.shape == (2, 2, 2, 2, 15, 12) and features.attention is None


def test_queries_and_keys_are_those_of_the_last_blocks(vit) -> None:
    """Blocks in order, of patches alone: the class token comes first, and is left out.

    Their softmax over all tokens is the attention that the fused blocks use.
    """
    inputs = []
    for layer in vit.layers:
        layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    attention = vit.encode(IMAGES).attention
    for told, layer, x in zip(attention.unbind(1), vit.layers[1:], inputs[1:]):
        query, key, _ = layer.attn.qkv(layer.ln1(x)).chunk(3, -1)
        for name, found in zip((query, key), told.unbind(1)):
            by_head = name[:, 1:].unflatten(-1, (2, 12)).transpose(1, 2)
            torch.testing.assert_close(found, by_head, rtol=0, atol=0)


def test_affinities_teach_the_encoder(vit) -> None:
    vit.train()
    attention = vit.encode(IMAGES).attention
    affinity = attention_affinity(attention, torch.full((4,), 0.1), torch.zeros(1))
    assert affinity.shape == (2, 15, 15)
    affinity.sum().backward()
    assert all(layer.attn.qkv.weight.grad.any() for layer in vit.layers[1:])


def test_nothing_is_left_on_the_blocks(vit) -> None:
    """Not after a failed pass either."""
    with pytest.raises(RuntimeError):
        vit.encode(IMAGES.double())
    assert len(vit.encode(IMAGES).attention) == 2
    assert not any(layer.attn.qkv._forward_hooks for layer in vit.layers)


def test_how_many_blocks(vit) -> None:
    assert QueryKeyViT(**TINY, attention_blocks=0).encode(IMAGES).attention is None
    with pytest.raises(ValueError, match='attention_blocks=4 must be 0 to 3'):
        QueryKeyViT(**TINY, attention_blocks=4)


def afa(**head):
    cfg = load_config('configs/afa/afa_mit-t_shapes.py')
    cfg.model.backbone = dict(type='QueryKeyViT', **TINY | dict(img_size=96))
    cfg.model.affinity_head = dict(type='AffinityHead', **dict(num_maps=4) | head)
    cfg.model.decode_head = dict(type='LargeFOVHead', channels=16, dilation=2)
    cfg.model.train_cfg |= dict(norm_from_cams=False)
    return build(cfg)


def test_afa_trains_and_predicts_on_it() -> None:
    model = afa()
    losses = step(model, begins(model)[-1])
    assert {'loss_cls', 'loss_aff', 'loss_seg', 'loss_reg'} <= set(losses)
    losses['loss_aff'].backward()
    assert model.backbone.layers[-1].attn.qkv.weight.grad.any()
    samples = model.eval().predict(
        **predict_batch(model), cam_filter='gt', pseudo=dict(source='propagated')
    )
    assert not any((sample.pred_pseudo.data == 255).any() for sample in samples)
    with pytest.raises(ValueError, match='2 blocks of 2 heads give 4 attention maps'):
        afa(num_maps=6)
