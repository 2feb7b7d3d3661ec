# Licensed under Apache-2.0.
"""The Mix Transformer: maps, attention, sizes, and pretrained files."""

from __future__ import annotations

import re

import pytest
import torch
from mmseg.models.backbones import MixVisionTransformer

from mmwsss.methods.afa.mit import WSSSMiT
from mmwsss.methods.afa.mit_keys import convert_segformer_mit, unwrap_mit

SMALL = dict(embed_dims=(8, 12, 20, 24), num_heads=(1, 2, 5, 4), drop_path_rate=0.0)


def mit(seed: int = 0, **kwargs) -> WSSSMiT:
    torch.manual_seed(seed)
    model = WSSSMiT(**(SMALL | kwargs))
    for parameter in model.parameters():
        parameter.data.normal_(std=0.2)
    return model.eval()


# ------------------------------------------------------------- maps
@pytest.mark.parametrize(
    'size,grids',
    [
        ((64, 64), ((16, 16), (8, 8), (4, 4), (4, 4))),
        ((61, 75), ((16, 19), (8, 10), (4, 5), (4, 5))),
    ],
)
def test_maps(size, grids) -> None:
    features = mit().encode(torch.randn(2, 3, *size))
    assert [tuple(m.shape) for m in features.maps] == [
        (2, width, *grid) for width, grid in zip(SMALL['embed_dims'], grids)
    ]
    tokens = grids[-1][0] * grids[-1][1]
    assert features.attention.shape == (2, 2, 2, 4, tokens, 6)
    assert features.cls_token is None


def test_is_mmsegs_network() -> None:
    """Where mmseg can build it: same parameters, same maps (all eps alike)."""
    ours = mit(embed_dims=(8, 16, 40, 64), num_heads=(1, 2, 5, 8), strides=(4, 2, 2, 2))
    theirs = MixVisionTransformer(
        embed_dims=8, num_heads=[1, 2, 5, 8], num_layers=[2] * 4
    ).eval()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    for module in (*ours.modules(), *theirs.modules()):
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-6
    images = torch.randn(2, 3, 128, 96)
    for a, b in zip(ours(images), theirs(images), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    # the blocks' own forward knows the right number of heads
    x, grid = ours.layers[0][0](images)
    torch.testing.assert_close(
        ours.layers[0][1][0](x, grid), theirs.layers[0][1][0](x, grid)
    )


def test_eps_of_the_norms() -> None:
    found = {
        name: m.eps
        for name, m in mit().named_modules()
        if isinstance(m, torch.nn.LayerNorm)
    }
    for name, eps in found.items():
        embedding = re.search(r'\.0\.norm$|attn\.norm$', name)
        assert eps == (1e-5 if embedding else 1e-6), name
    assert {1e-5, 1e-6} == set(found.values())


def test_attention_is_of_the_last_blocks() -> None:
    model, image = mit(num_layers=(1, 1, 1, 3)), torch.randn(1, 3, 64, 64)
    two = model.encode(image).attention
    model.attention_blocks = 3
    assert torch.equal(model.encode(image).attention[:, 1:], two)
    model.attention_blocks = 0
    assert model.encode(image).attention is None


def test_select() -> None:
    features = mit().encode(torch.randn(3, 3, 64, 64))
    one = features.select(slice(1, 2))
    assert torch.equal(one.attention, features.attention[1:2])


def test_forward_is_encode_without_attention() -> None:
    model, image = mit(), torch.randn(2, 3, 64, 64)
    assert all(
        torch.equal(a, b) for a, b in zip(model(image), model.encode(image).maps)
    )
    assert len(mit(out_indices=(1, 3))(image)) == 2


def test_stochastic_depth_in_training_only() -> None:
    model, image = mit(drop_path_rate=0.5), torch.randn(4, 3, 64, 64)
    assert torch.equal(model(image)[-1], model(image)[-1])
    model.train()
    assert not torch.equal(model(image)[-1], model(image)[-1])


def test_checkpointing_keeps_the_gradient() -> None:
    grads, image = [], torch.randn(1, 3, 64, 64)
    for with_cp in (False, True):
        model = mit(with_cp=with_cp).train()
        features = model.encode(image.clone().requires_grad_())
        (features.maps[-1].sum() + features.attention.square().sum()).backward()
        grads.append({k: p.grad for k, p in model.named_parameters()})
    for key, value in grads[0].items():
        torch.testing.assert_close(grads[1][key], value)


def test_frozen_norms() -> None:
    for freeze in (False, True):
        model = mit(freeze_norm=freeze)
        norms = {
            f'{name}.{kind}'
            for name, m in model.named_modules()
            if isinstance(m, torch.nn.LayerNorm)
            for kind in ('weight', 'bias')
        }
        frozen = {k for k, p in model.named_parameters() if not p.requires_grad}
        assert frozen == (norms if freeze else set())


def test_mixed_precision() -> None:
    model, image = mit(), torch.randn(1, 3, 64, 64)
    with torch.autocast('cpu', torch.bfloat16):
        half = model.encode(image)
    torch.testing.assert_close(
        half.maps[-1].float(), model(image)[-1], atol=0.2, rtol=0.1
    )


@pytest.mark.parametrize(
    'settings,message',
    [
        (dict(num_heads=(1, 2, 5, 5)), r'\(24, 5\)\]: heads must divide'),
        (dict(sr_ratios=(8, 4, 2, 2)), r'\(8, 4, 2, 2\) must end with 1'),
        (dict(attention_blocks=3), 'attention_blocks=3 must be 0 to 2'),
    ],
)
def test_bad_settings(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        mit(**settings)


def test_too_small_images_are_named() -> None:
    model = mit()
    assert model(torch.randn(1, 3, 29, 29))[-1].shape[-2:] == (2, 2)
    with pytest.raises(ValueError, match=r'\(28, 64\) pixels.*stage 1.*reduction 8'):
        model.train()(torch.randn(1, 3, 28, 64))
    assert model.smallest_side == 29
    with torch.no_grad():  # predictions stretch such pictures
        assert model.eval()(torch.randn(1, 3, 5, 64))[-1].shape[-2:] == (2, 4)


# ------------------------------------------------------------- pretrained files
def to_segformer(state: dict) -> dict:
    """Our names → SegFormer's, with an ImageNet classifier."""
    out = {'head.weight': torch.zeros(10, 24), 'head.bias': torch.zeros(10)}
    for key, value in state.items():
        _, stage, kind, rest = key.split('.', 3)
        stage = int(stage) + 1
        if kind == '0':
            name = f'patch_embed{stage}.{rest.replace("projection", "proj")}'
        elif kind == '2':
            name = f'norm{stage}.{rest}'
        else:
            for old, new in (
                ('ffn.layers.0', 'mlp.fc1'),
                ('ffn.layers.4', 'mlp.fc2'),
                ('ffn.layers.1', 'mlp.dwconv.dwconv'),
                ('attn.attn.out_proj', 'attn.proj'),
            ):
                rest = rest.replace(old, new)
            name = f'block{stage}.{rest}'
        if 'in_proj' in name:
            stem, last = name.replace('attn.attn.', 'attn.').split('in_proj_')
            third = len(value) // 3
            out[f'{stem}q.{last}'], out[f'{stem}kv.{last}'] = (
                value[:third],
                value[third:],
            )
            continue
        out[name] = value.flatten(1) if re.search(r'fc[12]\.weight', name) else value
    return out


LAYOUTS = dict(
    segformer=to_segformer,
    mmseg=lambda s: dict(state_dict=dict(s)),
    segmentor=lambda s: dict(
        state_dict={
            **{f'backbone.{k}': v for k, v in s.items()},
            'decode_head.w': torch.zeros(1),
        }
    ),
)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_pretrained_layouts(layout: str, tmp_path) -> None:
    source, path = mit(seed=1), str(tmp_path / 'weights.pth')
    torch.save(LAYOUTS[layout](source.state_dict()), path)
    model = mit(pretrained=path)
    model.init_weights()
    image = torch.randn(1, 3, 64, 64)
    for ours, theirs in zip(model(image), source(image), strict=True):
        assert torch.equal(ours, theirs)


def test_conversion_fills_every_key() -> None:
    state = mit().state_dict()
    converted = convert_segformer_mit(to_segformer(state))
    assert converted.keys() == state.keys()
    assert all(torch.equal(converted[k], state[k]) for k in state)


WRONG = dict(
    width=lambda: to_segformer(mit(embed_dims=(8, 12, 20, 32)).state_dict()),
    depth=lambda: to_segformer(mit(num_layers=(2, 2, 2, 3)).state_dict()),
    other_network=lambda: {'conv1.weight': torch.zeros(3)},
    not_a_dict=lambda: torch.zeros(3),
    nothing=dict,
)


@pytest.mark.parametrize('what', WRONG)
def test_a_file_that_does_not_fit_names_itself(what: str, tmp_path) -> None:
    path = str(tmp_path / f'{what}.pth')
    torch.save(WRONG[what](), path)
    with pytest.raises(ValueError, match=rf'{what}\.pth does not fit.*\(8, 12, 20, 24'):
        mit(pretrained=path).init_weights()


def test_a_half_pair_is_refused() -> None:
    state = to_segformer(mit().state_dict())
    state.pop('block3.1.attn.q.weight')
    with pytest.raises(ValueError, match=r'block3\.1\.attn\.kv\.weight, but not .*\.q'):
        unwrap_mit(state)
