# Licensed under Apache-2.0.
"""DINOv2's ViT: its public files, register tokens, positions of other grids."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.models.backbones.dinov2_vit import DINOv2ViT
from mmwsss.models.converters.dinov2_keys import unwrap_dinov2

WIDTH, HEADS, LAYERS, GRID = 12, 2, 2, 3
ARCH = dict(
    embed_dims=WIDTH, num_layers=LAYERS, num_heads=HEADS, feedforward_channels=24
)


def network(registers: int = 0, **settings) -> DINOv2ViT:
    return DINOv2ViT(arch=ARCH, img_size=14 * GRID, num_registers=registers, **settings)


def public(registers: int = 0) -> dict[str, Tensor]:
    """Random weights under the names of the public files."""
    draw = torch.Generator().manual_seed(0)

    def tensor(*shape: int) -> Tensor:
        return 0.3 * torch.randn(shape, generator=draw)

    state = {
        'cls_token': tensor(1, 1, WIDTH),
        'mask_token': tensor(1, WIDTH),
        'pos_embed': tensor(1, GRID**2 + 1, WIDTH),
        'patch_embed.proj.weight': tensor(WIDTH, 3, 14, 14),
        'patch_embed.proj.bias': tensor(WIDTH),
        'norm.weight': tensor(WIDTH),
        'norm.bias': tensor(WIDTH),
    }
    if registers:
        state['register_tokens'] = tensor(1, registers, WIDTH)
    for i in range(LAYERS):
        shapes = {
            'norm1.weight': (WIDTH,), 'norm1.bias': (WIDTH,),
            'attn.qkv.weight': (3 * WIDTH, WIDTH), 'attn.qkv.bias': (3 * WIDTH,),
            'attn.proj.weight': (WIDTH, WIDTH), 'attn.proj.bias': (WIDTH,),
            'ls1.gamma': (WIDTH,), 'ls2.gamma': (WIDTH,),
            'norm2.weight': (WIDTH,), 'norm2.bias': (WIDTH,),
            'mlp.fc1.weight': (24, WIDTH), 'mlp.fc1.bias': (24,),
            'mlp.fc2.weight': (WIDTH, 24), 'mlp.fc2.bias': (WIDTH,),
        }  # fmt: skip
        state |= {f'blocks.{i}.{k}': tensor(*shape) for k, shape in shapes.items()}
    return state


def by_hand(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """Patch tokens after the final norm, from the paper's words alone."""
    x = F.conv2d(images, state['patch_embed.proj.weight'],
                 state['patch_embed.proj.bias'], stride=14)  # fmt: skip
    assert x.shape[-2:] == (GRID, GRID)
    x = x.flatten(2).mT
    x = torch.cat([state['cls_token'].expand(len(x), -1, -1), x], 1)
    x = x + state['pos_embed']
    registers = state.get('register_tokens', torch.zeros(1, 0, WIDTH))
    x = torch.cat([x[:, :1], registers.expand(len(x), -1, -1), x[:, 1:]], 1)

    def norm(y: Tensor, name: str) -> Tensor:
        weight, bias = state[f'{name}.weight'], state[f'{name}.bias']
        return F.layer_norm(y, (WIDTH,), weight, bias, 1e-6)

    def linear(y: Tensor, name: str) -> Tensor:
        return F.linear(y, state[f'{name}.weight'], state[f'{name}.bias'])

    for i in range(LAYERS):
        block = f'blocks.{i}.'
        qkv = linear(norm(x, block + 'norm1'), block + 'attn.qkv')
        q, k, v = qkv.unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        attention = (q @ k.mT * (WIDTH // HEADS) ** -0.5).softmax(-1)
        out = linear((attention @ v).transpose(1, 2).flatten(2), block + 'attn.proj')
        x = x + state[block + 'ls1.gamma'] * out
        hidden = F.gelu(linear(norm(x, block + 'norm2'), block + 'mlp.fc1'))
        x = x + state[block + 'ls2.gamma'] * linear(hidden, block + 'mlp.fc2')
    return norm(x, 'norm')[:, 1 + registers.shape[1] :]


@pytest.mark.parametrize('registers', [0, 4])
def test_public_layout(registers: int, tmp_path) -> None:
    state = public(registers)
    torch.save(state, tmp_path / 'public.pth')
    model = network(registers, pretrained=str(tmp_path / 'public.pth'))
    model.init_weights()
    images = torch.randn(2, 3, 14 * GRID, 14 * GRID)
    with torch.no_grad():
        features = model.eval().encode(images)
    tokens = features.maps[-1].flatten(2).mT
    torch.testing.assert_close(tokens, by_hand(state, images), rtol=1e-4, atol=1e-5)
    converted = unwrap_dinov2(state)
    again = unwrap_dinov2(dict(state_dict=converted))
    assert converted.keys() == again.keys() == model.state_dict().keys()


@pytest.mark.parametrize('registers', [0, 2])
def test_positions_of_other_grids(registers: int) -> None:
    """By the factor without registers; by size with them, where antialiasing acts."""
    model = network(registers)
    torch.nn.init.normal_(model.pos_embed)
    assert model.positions((GRID, GRID)) is model.pos_embed
    table = model.pos_embed[:, 1:].unflatten(1, (GRID, GRID)).permute(0, 3, 1, 2)
    for grid in ((5, 4), (2, 7)):
        if registers:
            found = F.interpolate(table, grid, mode='bicubic', antialias=True)
        else:
            factors = tuple((side + 0.1) / GRID for side in grid)
            found = F.interpolate(table, scale_factor=factors, mode='bicubic')
        positions = model.positions(grid)
        assert positions.shape == (1, 1 + grid[0] * grid[1], WIDTH)
        torch.testing.assert_close(positions[:, 1:], found.flatten(2).mT)
        images = torch.randn(1, 3, 14 * grid[0] + 3, 14 * grid[1])
        assert model.encode(images).maps[-1].shape == (1, WIDTH, *grid)


def test_another_layout_is_refused(tmp_path) -> None:
    torch.save({'conv1.weight': torch.zeros(1)}, tmp_path / 'other.pth')
    model = network(pretrained=str(tmp_path / 'other.pth'))
    with pytest.raises(ValueError, match='does not fit this DINOv2ViT'):
        model.init_weights()
