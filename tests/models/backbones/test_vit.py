# Licensed under Apache-2.0.
"""The backbone: taps, sizes, and pretrained files of every public layout."""

from __future__ import annotations

import pickle
from urllib.error import URLError

import pytest
import torch

from mmwsss.io.checkpoint import UnsafeCheckpointError
from mmwsss.models.backbones.vit import WSSSViT

ARCH = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32)


def vit(seed: int = 0, **kwargs) -> WSSSViT:
    torch.manual_seed(seed)
    settings = dict(arch=ARCH, img_size=16, patch_size=4, out_indices=(1, 2))
    model = WSSSViT(**(settings | kwargs))
    for parameter in model.parameters():
        parameter.data.normal_(std=0.2)
    return model.eval()


# ------------------------------------------------------------- maps
@pytest.mark.parametrize(
    'size,grid', [((16, 16), (4, 4)), ((24, 12), (6, 3)), ((19, 23), (4, 5))]
)
def test_maps(size, grid) -> None:
    features = vit().encode(torch.randn(2, 3, *size))
    assert [tuple(m.shape) for m in features.maps] == [(2, 16, *grid)] * 2
    assert features.cls_token.shape == (2, 16)
    assert features.attention is None


def test_incomplete_patches_are_dropped() -> None:
    image = torch.randn(1, 3, 19, 22)
    whole, cut = (vit()(x)[-1] for x in (image, image[..., :16, :20]))
    assert torch.equal(whole, cut)


def test_only_the_last_tap_is_normalised() -> None:
    model, image = vit(), torch.randn(1, 3, 16, 16)
    auxiliary, final = model(image)
    model.ln1.weight.data.mul_(2)
    model.ln1.bias.data.add_(1)
    again = model(image)
    assert torch.equal(again[0], auxiliary)
    assert not torch.equal(again[1], final)


def test_forward_is_encode_without_the_token() -> None:
    model, image = vit(), torch.randn(2, 3, 16, 16)
    assert all(
        torch.equal(a, b) for a, b in zip(model(image), model.encode(image).maps)
    )


def test_frozen_position_embedding() -> None:
    for freeze in (False, True):
        model = vit(freeze_pos_embed=freeze)
        model(torch.randn(1, 3, 16, 16))[-1].sum().backward()
        assert (model.pos_embed.grad is None) == freeze
        assert model.cls_token.requires_grad


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r'\(0, 1\) must end with the last block, 2'):
        vit(out_indices=(0, 1))
    with pytest.raises(ValueError, match=r'\(16, 3\) pixels.*4x4 patch'):
        vit().train()(torch.randn(1, 3, 16, 3))


def test_mixed_precision() -> None:
    model, image = vit(), torch.randn(1, 3, 16, 16)
    with torch.autocast('cpu', torch.bfloat16):
        half = model(image)[-1]
    torch.testing.assert_close(half.float(), model(image)[-1], atol=0.15, rtol=0.1)


def test_modes_chain() -> None:
    model = vit()
    assert model.train() is model and model.training
    assert model.eval() is model and not model.training


# ------------------------------------------------------------- pretrained files
def to_timm(state: dict) -> dict:
    """Our names → timm's, with an ImageNet classifier."""
    renames = (
        ('layers.', 'blocks.'),
        ('ffn.blocks.0.0.', 'mlp.fc1.'),
        ('ffn.blocks.1.', 'mlp.fc2.'),
        ('.ln1.', '.norm1.'),
        ('.ln2.', '.norm2.'),
        ('projection', 'proj'),
    )
    out = {}
    for key, value in state.items():
        for old, new in renames:
            key = key.replace(old, new)
        out[key.replace('ln1.', 'norm.') if key.startswith('ln1.') else key] = value
    return out | {'head.weight': torch.zeros(10, 16), 'head.bias': torch.zeros(10)}


LAYOUTS = dict(
    timm=to_timm,
    deit=lambda s: dict(model=to_timm(s)),
    mmpretrain=lambda s: dict(
        meta=dict(epoch=3),
        state_dict={
            **{f'backbone.{k}': v for k, v in s.items()},
            'head.layers.head.weight': torch.zeros(10, 16),
        },
    ),
    mmwsss=lambda s: dict(s),
)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_pretrained_layouts(layout: str, tmp_path) -> None:
    source, path = vit(seed=1), str(tmp_path / 'weights.pth')
    torch.save(LAYOUTS[layout](source.state_dict()), path)
    model = vit(pretrained=path)
    model.init_weights()
    image = torch.randn(1, 3, 16, 16)
    for ours, theirs in zip(model(image), source(image)):
        assert torch.equal(ours, theirs)


def test_position_embedding_of_another_size(tmp_path) -> None:
    """Only its grid is resized, never the class token's entry."""
    source, path = vit(seed=1, img_size=24), str(tmp_path / 'weights.pth')
    torch.save(to_timm(source.state_dict()), path)
    model = vit(pretrained=path)
    model.init_weights()
    assert model.pos_embed.shape == (1, 17, 16)
    assert torch.equal(model.pos_embed[:, 0], source.pos_embed[:, 0])
    grids = [
        p[:, 1:].unflatten(1, (s, s)).permute(0, 3, 1, 2)
        for p, s in ((source.pos_embed, 6), (model.pos_embed, 4))
    ]
    torch.testing.assert_close(
        grids[1],
        torch.nn.functional.interpolate(
            grids[0], (4, 4), mode='bicubic', align_corners=False
        ),
    )


WRONG = dict(
    width=lambda: to_timm(vit(arch=ARCH | dict(embed_dims=32)).state_dict()),
    depth=lambda: to_timm(
        vit(arch=ARCH | dict(num_layers=4), out_indices=(1, 3)).state_dict()
    ),
    other_network=lambda: {'conv1.weight': torch.zeros(3)},
    distilled=lambda: (
        to_timm(vit().state_dict()) | dict(pos_embed=torch.zeros(1, 18, 16))
    ),
    not_a_dict=lambda: torch.zeros(3),
    nothing=dict,
)


@pytest.mark.parametrize('what', WRONG)
def test_a_file_that_does_not_fit_names_itself(what: str, tmp_path) -> None:
    path = str(tmp_path / f'{what}.pth')
    torch.save(WRONG[what](), path)
    with pytest.raises(ValueError, match=rf'{what}\.pth does not fit.*width 16'):
        vit(pretrained=path).init_weights()


def test_missing_file(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match='gone.pth can not be found'):
        vit(pretrained=str(tmp_path / 'gone.pth')).init_weights()


def test_url_without_network(tmp_path, monkeypatch) -> None:
    def offline(*_, **__):
        raise URLError('no route')

    monkeypatch.setattr('mmwsss.io.fetch.urlopen', offline)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    with pytest.raises(ConnectionError, match=r'https://x\.org/a\.pth can not.*put it'):
        vit(pretrained='https://x.org/a.pth').init_weights()


class Payload:
    """Would write a file when it is unpickled."""

    def __init__(self, path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.mark.parametrize('writer', [torch.save, 'pickle'])
def test_code_in_a_file_is_refused(writer, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv('MMWSSS_ALLOW_PICKLE', raising=False)
    path, victim = tmp_path / 'weights.pth', tmp_path / 'ran'
    if writer == 'pickle':
        path.write_bytes(pickle.dumps(Payload(victim)))
    else:
        writer(dict(model=Payload(victim)), path)
    with pytest.raises(UnsafeCheckpointError, match='weights.pth'):
        vit(pretrained=str(path)).init_weights()
    assert not victim.exists()
