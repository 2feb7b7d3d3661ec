# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch

from mmwsss.models.heads.projection_head import ProjectionHead


def head() -> ProjectionHead:
    torch.manual_seed(0)
    return ProjectionHead(6, hidden_channels=16, bottleneck_channels=5, out_channels=9)


def test_outputs_are_cosines() -> None:
    projector, tokens = head(), torch.randn(3, 6)
    out = projector(tokens)
    unit = torch.nn.functional.normalize(projector.mlp(tokens), dim=1)
    rows = torch.nn.functional.normalize(projector.last_layer.weight_v, dim=1)
    torch.testing.assert_close(out, unit @ rows.T)
    assert out.shape == (3, 9) and out.abs().max() <= 1 + 1e-6


def test_lengths_of_tokens_and_rows_do_not_matter() -> None:
    projector, tokens = head(), torch.randn(3, 6)
    before = projector(tokens)
    projector.last_layer.weight_v.data *= torch.rand(9, 1).add(0.5)
    torch.testing.assert_close(projector(tokens), before)
    projector.mlp[-1].weight.data *= 7
    torch.testing.assert_close(projector(tokens), before)


def test_published_initialisation() -> None:
    torch.manual_seed(0)
    projector = ProjectionHead(192, 256, 64, 32)
    for layer in projector.mlp[::2]:
        assert abs(layer.weight.std().item() - 0.02) < 2e-3
        assert not layer.bias.any()
    assert torch.equal(projector.last_layer.weight_g, torch.ones(32, 1))
    assert projector.last_layer.weight_v.abs().max() <= 1 / 8  # Linear's: 1 / sqrt(64)


def test_the_gain_is_not_trained() -> None:
    projector = head()
    projector(torch.randn(3, 6)).sum().backward()
    assert projector.last_layer.weight_g.grad is None
    trained = {k for k, p in projector.named_parameters() if p.grad is not None}
    assert trained == set(dict(projector.named_parameters())) - {'last_layer.weight_g'}


def test_any_leading_dimensions() -> None:
    projector, tokens = head(), torch.randn(2, 4, 6)
    torch.testing.assert_close(
        projector(tokens), projector(tokens.flatten(0, 1)).unflatten(0, (2, 4))
    )


def test_released_names() -> None:
    assert set(head().state_dict()) == {
        *(f'mlp.{i}.{p}' for i in (0, 2, 4) for p in ('weight', 'bias')),
        'last_layer.weight_g',
        'last_layer.weight_v',
    }


def test_mean_before_the_last_layer() -> None:
    projector, tokens = head(), torch.randn(2, 4, 6)
    units = projector.embed(tokens)
    torch.testing.assert_close(units.norm(dim=-1), torch.ones(2, 4))
    torch.testing.assert_close(
        projector.last_layer(units.mean((0, 1))), projector(tokens).mean((0, 1))
    )


def test_without_a_last_layer_it_ends_with_unit_vectors() -> None:
    units = ProjectionHead(6, 16, bottleneck_channels=5, out_channels=None)
    tokens = torch.randn(2, 4, 6)
    assert torch.equal(units(tokens), units.embed(tokens))
    assert not [name for name in units.state_dict() if name.startswith('last_layer')]


def test_number_of_layers() -> None:
    shallow = ProjectionHead(6, 64, 8, 32, num_layers=1)
    assert shallow(torch.randn(3, 6)).shape == (3, 32)
    with pytest.raises(ValueError, match='num_layers must be at least 1, got 0'):
        ProjectionHead(6, 64, 8, 32, num_layers=0)
