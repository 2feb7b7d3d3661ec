# Licensed under Apache-2.0.
"""The backbone with mask tokens and a pooled class token."""

from __future__ import annotations

import pytest
import torch

from mmwsss.methods.fsr.mask_token_vit import MaskTokenViT
from mmwsss.models.backbones.vit import WSSSViT

ARCH = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32)


def vit(seed: int = 0, kind: type = MaskTokenViT, **kwargs) -> MaskTokenViT:
    torch.manual_seed(seed)
    settings = dict(arch=ARCH, img_size=16, patch_size=4, out_indices=(1, 2))
    model = kind(**(settings | kwargs))
    for parameter in model.parameters():
        parameter.data.normal_(std=0.2)
    return model.eval()


@pytest.mark.parametrize(
    'size,grid', [((16, 16), (4, 4)), ((24, 12), (6, 3)), ((19, 23), (4, 5))]
)
def test_shapes(size, grid) -> None:
    model, images = vit(), torch.randn(3, 3, *size)
    mask = torch.rand(3, *grid) < 0.5
    features = model.encode(images, mask, pool=slice(1, None))
    assert [tuple(m.shape) for m in features.maps] == [(3, 16, *grid)] * 2
    assert features.cls_token.shape == (2, 16)
    assert model.encode(images).cls_token is None
    assert len(model(images)) == 2


def test_without_a_mask_it_is_the_plain_network() -> None:
    """mmpretrain's trunk without class token, with the same weights."""
    model, images = vit(), torch.randn(2, 3, 24, 12)
    plain = vit(kind=WSSSViT, with_cls_token=False)
    plain.load_state_dict(model.state_dict(), strict=False)
    for ours, theirs in zip(model(images), plain(images), strict=True):
        torch.testing.assert_close(ours, theirs)
    empty = torch.zeros(2, 6, 3, dtype=torch.bool)
    assert torch.equal(model.encode(images, empty).maps[1], model(images)[1])


def test_masked_patches_keep_their_place_and_lose_their_content() -> None:
    model, images = vit(), torch.randn(1, 3, 16, 16)
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, 1, 2] = True
    other = images.clone()
    other[..., 4:8, 8:12] = 7.0  # what is under the mask
    assert torch.equal(
        model.encode(images, mask).maps[1], model.encode(other, mask).maps[1]
    )
    everywhere = model.encode(images, torch.ones_like(mask)).maps[1].flatten(2)
    assert everywhere.std(2).max() > 1e-3  # positions tell masked tokens apart


def test_a_batch_is_its_images() -> None:
    model, images = vit(), torch.randn(2, 3, 16, 16)
    mask = torch.rand(2, 4, 4) < 0.5
    both = model.encode(images, mask, pool=slice(None))
    for i in (0, 1):
        one = model.encode(images[i : i + 1], mask[i : i + 1], pool=slice(None))
        torch.testing.assert_close(one.maps[1], both.maps[1][i : i + 1])
        torch.testing.assert_close(one.cls_token, both.cls_token[i : i + 1])


def test_smaller_than_a_patch() -> None:
    with pytest.raises(ValueError, match='smaller than one 4x4 patch'):
        vit().train().encode(torch.zeros(1, 3, 3, 8))
    with torch.no_grad():
        assert vit().eval().encode(torch.zeros(1, 3, 3, 8)).maps[0].shape[-2:] == (1, 2)


def test_mask_of_another_grid() -> None:
    with pytest.raises(ValueError, match=r'must be \(1, 4, 4\), got \(1, 16\)'):
        vit().encode(torch.zeros(1, 3, 16, 16), torch.ones(1, 16, dtype=torch.bool))


@pytest.mark.parametrize(
    'aggregation,message',
    [
        (dict(key_mask='inf'), "key_mask must be one of .* got 'inf'"),
        (dict(attn_scale='none'), "attn_scale must be one of .* got 'none'"),
    ],
)
def test_bad_settings(aggregation: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vit(aggregation=aggregation)


def test_layer_scale() -> None:
    scaled = MaskTokenViT(
        arch=ARCH,
        img_size=16,
        patch_size=4,
        out_indices=(1, 2),
        aggregation=dict(layer_scale=0.1, depth=1),
    )
    gammas = [p for k, p in scaled.named_parameters() if 'gamma' in k]
    assert [g.unique().item() for g in gammas] == [pytest.approx(0.1)] * 2
    assert not [k for k in vit().state_dict() if 'gamma' in k]


def test_pretrained(tmp_path) -> None:
    """A plain ViT's file of another resolution; its class token is the first query."""
    source = vit(1, WSSSViT, img_size=24)
    path = tmp_path / 'vit.pth'
    torch.save(source.state_dict(), path)
    model = vit(pretrained=str(path))
    mask_token = model.mask_token.clone()
    model.init_weights()
    assert torch.equal(model.aggregation.cls_token, source.cls_token)
    ours, theirs = (m.layers[0].attn.qkv.weight for m in (model, source))
    assert torch.equal(ours, theirs)
    assert model.pos_embed.shape == (1, 16, 16)
    assert torch.equal(model.mask_token, mask_token)
    whole = vit(img_size=24, pretrained=str(path))
    whole.init_weights()
    assert torch.equal(whole.pos_embed, source.pos_embed[:, 1:])
    # one of its own has everything
    torch.save(model.state_dict(), path)
    again = vit(2, pretrained=str(path))
    again.init_weights()
    assert all(
        torch.equal(v, again.state_dict()[k]) for k, v in model.state_dict().items()
    )


def test_pretrained_of_another_network(tmp_path) -> None:
    path = tmp_path / 'vit.pth'
    torch.save(
        vit(
            1, WSSSViT, arch=ARCH | dict(num_layers=4), out_indices=(1, 3)
        ).state_dict(),
        path,
    )
    with pytest.raises(ValueError, match='does not fit this MaskTokenViT'):
        vit(pretrained=str(path)).init_weights()
