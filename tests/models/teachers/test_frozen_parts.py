# Licensed under Apache-2.0.
"""Parts whose weights stand in files of their own: in no checkpoint, yet there."""

from __future__ import annotations

import copy

import pytest
import torch
from mmengine.runner.checkpoint import get_state_dict, load_state_dict
from torch import nn

from mmwsss.io.errors import UserError
from mmwsss.io.weights import CheckpointMismatch
from mmwsss.models.teachers.frozen_backbone import FrozenBackbone
from mmwsss.models.teachers.frozen_parts import FrozenParts


class Owner(nn.Module):
    """A head that learns on an encoder that doesn't."""

    def __init__(self, file=None) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.head = nn.Linear(3, 2)
        self.frozen = FrozenParts(self, ('encoder',), file, 'Make it by a tool.')


class Wrapper(nn.Module):
    """A model in a model, whose keys have a prefix."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner


def written(folder, **changes) -> str:
    """A file of the encoder's weights, all of them 0.5."""
    state = {f'encoder.{k}': torch.full_like(v, 0.5) if v.dim() else v
             for k, v in Owner().encoder.state_dict().items()}  # fmt: skip
    path = folder / 'encoder.pth'
    meta = dict(dataset_meta=dict(classes=['background', 'cat']))
    torch.save(dict(state_dict=state | changes, meta=meta), path)
    return str(path)


def test_not_in_checkpoints_and_not_missing_there(tmp_path) -> None:
    """By PyTorch's functions and by mmengine's, plain and within another model."""
    path = written(tmp_path)
    model = Wrapper(Owner(path))
    model.inner.frozen.load()
    keys = {'inner.head.weight', 'inner.head.bias'}
    assert set(model.state_dict()) == set(get_state_dict(model)) == keys
    other = Wrapper(Owner(path))
    other.load_state_dict(model.state_dict(), strict=True)
    load_state_dict(other, get_state_dict(model), strict=True)
    before = other.inner.encoder[0].weight.clone()
    other.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(other.inner.encoder[0].weight, before)
    other.inner.frozen.load()
    assert torch.equal(other.inner.encoder[0].weight, model.inner.encoder[0].weight)


def test_no_gradient_and_no_training_mode(tmp_path) -> None:
    model = Owner(written(tmp_path)).train()
    assert model.head.training and not model.encoder[1].training
    assert not any(p.requires_grad for p in model.encoder.parameters())
    assert all(p.requires_grad for p in model.head.parameters())


def test_read_once_and_copied_whole(tmp_path) -> None:
    model = Owner(written(tmp_path))
    model.frozen.load()
    (tmp_path / 'encoder.pth').unlink()
    model.frozen.load()
    twin = copy.deepcopy(model)
    assert twin.frozen.owner is twin and set(twin.state_dict()) == set(
        model.state_dict()
    )
    assert torch.equal(twin.encoder[0].weight, torch.full((3, 2), 0.5))


def test_what_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match='file of the frozen encoder of Owner is not'):
        Owner().frozen.load()
    with pytest.raises(FileNotFoundError, match='Make it by a tool'):
        Owner(str(tmp_path / 'none.pth')).frozen.load()
    for change, message in (
        ({'encoder.0.weight': torch.zeros(3, 4)}, r'file \(3, 4\), model \(3, 2\)'),
        ({'encoder.2.weight': torch.zeros(1)}, 'unknown to the model'),
        ({'head.weight': torch.zeros(2, 3)}, 'unknown to the model'),
    ):
        with pytest.raises(CheckpointMismatch, match=message):
            Owner(written(tmp_path, **change)).frozen.load()
    model = Owner(written(tmp_path))
    model.frozen.load()
    model.frozen.check_classes(['background', 'cat'])
    with pytest.raises(CheckpointMismatch, match='trained with the classes'):
        model.frozen.check_classes(['background', 'dog'])


def test_a_backbone_reads_its_own_file(tmp_path) -> None:
    """Of any layout that it knows, here timm's, where `pretrained` says so."""
    from mmwsss.models.backbones.vit import WSSSViT

    arch = dict(embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=16)
    sizes = dict(arch=arch, img_size=32, out_indices=(0,))

    class Two(nn.Module):
        def __init__(self, path) -> None:
            super().__init__()
            self.second = WSSSViT(pretrained=path, **sizes)
            self.frozen = FrozenBackbone(self, 'second', 'Set second.pretrained.')

    with pytest.raises(UserError, match='Set second.pretrained'):
        Two(None).frozen.load()
    source = WSSSViT(**sizes)
    nn.init.normal_(source.pos_embed)
    torch.save(source.state_dict(), tmp_path / 'vit.pth')
    model = Two(str(tmp_path / 'vit.pth'))
    model.frozen.load()
    assert torch.equal(model.second.pos_embed, source.pos_embed)
    assert not model.state_dict()
