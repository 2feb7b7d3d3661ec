# Licensed under Apache-2.0.
"""RGB weights for pictures of other bands, in every backbone that takes them."""

from __future__ import annotations

import pytest
import torch

from mmwsss.io.errors import UserError
from mmwsss.models.converters.inflate import inflate_weight, inflated
from mmwsss.registry import MODELS

WEIGHT = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
TINY = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
BACKBONES = {
    'vit': dict(
        type='WSSSViT', arch=TINY, img_size=32, patch_size=8, out_indices=(0, 1)
    ),
    'mit': dict(type='WSSSMiT', embed_dims=(8, 8, 16, 16), num_layers=(1, 1, 1, 1),
                attention_blocks=1, num_heads=(1, 1, 2, 2)),
    'resnet': dict(type='WSSSResNet', depth=18),
    'deep stem': dict(type='WSSSResNet', depth=18, deep_stem=True),
    'wr38': dict(type='WideResNet38', widths=(4, 4, 4, 4, 4, 8, 8)),
}  # fmt: skip


@pytest.mark.parametrize('bands', [1, 2, 4, 13])
def test_mean_keeps_the_answer_to_grey(bands) -> None:
    wide = inflate_weight(WEIGHT, bands)
    assert wide.shape == (4, bands, 2, 2) and wide.dtype == WEIGHT.dtype
    grey = torch.randn(1, 1, 9, 9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        torch.conv2d(grey.expand(-1, bands, -1, -1), wide),
        torch.conv2d(grey.expand(-1, 3, -1, -1), WEIGHT),
    )
    torch.testing.assert_close(wide[:, :1].expand_as(wide), wide)


def test_rgb_sees_the_first_three_alone() -> None:
    wide = inflate_weight(WEIGHT, 5, 'rgb')
    assert torch.equal(wide[:, :3], WEIGHT) and not wide[:, 3:].any()


def test_refused() -> None:
    with pytest.raises(UserError, match="inflate='rgb' needs three bands"):
        inflate_weight(WEIGHT, 2, 'rgb')
    with pytest.raises(UserError, match="inflate must be one of .*'sum'"):
        inflate_weight(WEIGHT, 5, 'sum')
    for backbone in BACKBONES.values():
        with pytest.raises(UserError, match="inflate must be one of .*'sum'"):
            MODELS.build(dict(backbone, inflate='sum'))


def test_weights_of_as_many_bands_stay() -> None:
    state = dict(w=torch.ones(4, 5, 2, 2), other=torch.zeros(2))
    assert torch.equal(inflated(state, 'w', 5, 'mean')['w'], state['w'])
    assert torch.equal(inflated(dict(w=WEIGHT), 'w', 3, 'mean')['w'], WEIGHT)


@pytest.mark.parametrize('name', BACKBONES)
def test_backbones_take_bands_and_rgb_weights(name, tmp_path) -> None:
    torch.manual_seed(0)
    rgb = MODELS.build(BACKBONES[name])
    rgb.init_weights()
    torch.save(rgb.state_dict(), tmp_path / 'rgb.pth')
    cfg = dict(BACKBONES[name], in_channels=5, pretrained=str(tmp_path / 'rgb.pth'))
    five = MODELS.build(cfg)
    five.init_weights()
    changed = {
        key
        for key, value in rgb.state_dict().items()
        if value.shape != five.state_dict()[key].shape
    }
    assert len(changed) == 1  # the first convolution, and all else is that of RGB
    key = changed.pop()
    torch.testing.assert_close(
        five.state_dict()[key], inflate_weight(rgb.state_dict()[key], 5)
    )
    rgb.eval(), five.eval()
    grey = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        for one, other in zip(
            rgb(grey.expand(-1, 3, -1, -1)),
            five(grey.expand(-1, 5, -1, -1)),
            strict=True,
        ):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    with pytest.raises(UserError, match='have 4 bands, the network takes 5'):
        five(torch.zeros(1, 4, 32, 32))
