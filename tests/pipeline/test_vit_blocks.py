# Licensed under Apache-2.0.
"""Blocks of a ViT looked at from outside, without disturbing it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from mmwsss.io.errors import UserError
from mmwsss.pipeline.vit_blocks import attention_taps, load_vit, token_taps
from mmwsss.testing import build
from tests.helpers import ROOT


@pytest.fixture(scope='module')
def backbone():
    return build('configs/toco/toco_vit-t_shapes.py').backbone.eval()


@pytest.fixture(scope='module')
def images():
    return torch.randn(2, 3, 48, 32, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_attention_is_what_the_fused_kernel_weighs_values_with(backbone, images):
    """The weighted sum of the values, projected, is what the block itself gives."""
    module, seen = backbone.layers[2].attn, []
    handle = module.register_forward_hook(lambda _, ins, out: seen.append((*ins, out)))
    with attention_taps(backbone, lambda attention: attention) as found:
        backbone(images)
    handle.remove()
    tokens, given = seen[0]
    attention = found[2][0]
    assert attention.shape == (
        2,
        module.num_heads,
        25,
        25,
    )  # 6 x 4 patches and a class token
    width = module.embed_dims
    values = module.qkv(tokens)[..., 2 * width :]
    values = values.unflatten(-1, (module.num_heads, -1)).transpose(1, 2)
    mixed = (attention @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(module.proj(mixed), given, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize('taps', [attention_taps, token_taps])
def test_looking_changes_nothing_and_ends(backbone, images, taps):
    plain = backbone(images)
    with taps(backbone, lambda one: one.mean()) as found:
        looked = backbone(images)
    assert [len(values) for values in found] == [1] * len(backbone.layers)
    backbone(images)
    assert [len(values) for values in found] == [1] * len(backbone.layers)
    assert all(torch.equal(a, b) for a, b in zip(plain, looked, strict=True))


@torch.no_grad()
def test_tokens_are_those_of_the_patches(backbone, images):
    with token_taps(backbone, lambda tokens: tokens) as found:
        last = backbone(images)[-1]
    tokens = backbone.ln1(torch.cat([found[-1][0]]))
    torch.testing.assert_close(tokens.transpose(1, 2), last.flatten(2))


def test_blocks_without_queries_are_refused():
    blocks = SimpleNamespace(layers=[SimpleNamespace(attn=torch.nn.Identity())])
    with (
        pytest.raises(UserError, match='no queries and keys'),
        attention_taps(blocks, lambda one: one),
    ):
        pass


def test_a_network_without_tokens_is_refused(tmp_path):
    config = ROOT / 'configs/eps/eps_wr38-t_shapes.py'
    file = tmp_path / 'x.pth'
    torch.save(dict(state_dict=build(config).state_dict()), file)
    with pytest.raises(UserError, match='is no ViT: no blocks of tokens'):
        load_vit(config, str(file))
