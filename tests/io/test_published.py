# Licensed under Apache-2.0.
"""Published files: what they hold, and what they may lack."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmwsss.io.errors import UserError
from mmwsss.io.published import (
    dropped_parts,
    dropped_patterns,
    halved,
    load_to_predict,
    published_checkpoint,
)
from mmwsss.io.weights import CheckpointMismatch
from mmwsss.models.teachers.averaged_parts import AveragedParts
from mmwsss.pipeline.fingerprint import weights_hash


class Network(nn.Module):
    """A backbone and a projection head with averages of both."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(3, 4)
        self.proj = nn.Linear(4, 2)
        self.averaged = AveragedParts(self, ['backbone', 'proj'])


def checkpoint(seed: int = 0) -> dict:
    torch.manual_seed(seed)
    meta = dict(iter=3, cfg='model = dict()', dataset_meta=dict(classes=('a', 'b')))
    return dict(meta=meta, optimizer=dict(), state_dict=Network().state_dict())


def test_content() -> None:
    made = published_checkpoint(checkpoint(), ['proj', 'proj_ema'], dict(config='x'))
    assert set(made) == {'meta', 'state_dict'}
    assert made['meta'] == dict(
        iter=3,
        dataset_meta=dict(classes=('a', 'b')),
        config='x',
        published=dict(dropped=['proj', 'proj_ema']),
    )
    weights = made['state_dict']
    assert {key.split('.')[0] for key in weights} == {'backbone', 'backbone_ema'}
    assert {value.dtype for value in weights.values()} == {torch.float16}
    assert all(value.is_contiguous() for value in weights.values())


def test_bare_weights_of_ddp() -> None:
    made = published_checkpoint({'module.w': torch.ones(2, 2)[:, 0]})
    assert list(made['state_dict']) == ['w'] and dropped_parts(made) == ()


def test_what_half_precision_cannot_hold_stays() -> None:
    large, statistics = torch.tensor([1e6]), torch.rand(3)
    assert torch.equal(halved('w', large), large)
    assert halved('norm.running_var', statistics).dtype == torch.float32
    assert halved('norm.num_batches_tracked', torch.tensor(3)).dtype == torch.int64


def test_unknown_part() -> None:
    with pytest.raises(UserError, match=r"no part 'pro' to leave out; it has \['back"):
        published_checkpoint(checkpoint(), ['pro'])


def test_loads_in_single_precision_without_what_was_left_out() -> None:
    source = checkpoint()
    made = published_checkpoint(source, ['proj', 'proj_ema'])
    model = Network()
    proj = model.proj.weight.clone()
    load_to_predict(model, made, 'a.pth')
    assert model.backbone.weight.dtype == torch.float32
    want = source['state_dict']['backbone.weight']
    torch.testing.assert_close(model.backbone.weight.data, want, rtol=1e-3, atol=1e-4)
    assert torch.equal(model.proj.weight, proj)
    assert model.averaged.network()  # the average of the backbone is there


def test_what_was_left_out_has_no_part_in_the_fingerprint() -> None:
    """Its weights are other ones in each run, and a folder of labels is resumed."""
    made, hashes = published_checkpoint(checkpoint(), ['proj', 'proj_ema']), []
    for _ in range(2):
        model = Network()
        load_to_predict(model, made, 'a.pth')
        hashes.append(weights_hash(model))
    assert hashes[0] == hashes[1]
    assert weights_hash(Network()) not in hashes


def test_nothing_else_may_be_missing() -> None:
    made = published_checkpoint(checkpoint(), ['proj'])
    del made['state_dict']['proj_ema.module.weight']  # begins with the same letters
    with pytest.raises(CheckpointMismatch, match='proj_ema.module.weight'):
        load_to_predict(Network(), made, 'a.pth')
    assert dropped_patterns(made) == (r'^proj(\.|$)',)


def test_a_teacher_that_was_left_out_does_not_predict() -> None:
    made = published_checkpoint(checkpoint(), ['backbone_ema', 'proj_ema'])
    model = Network()
    load_to_predict(model, made, 'a.pth')
    with pytest.raises(UserError, match='published file without the teacher'):
        model.averaged.network()


@pytest.mark.parametrize('dropped', ['proj', [1], [''], None])
def test_other_meta_data(dropped) -> None:
    made = dict(meta=dict(published=dict(dropped=dropped)), state_dict={})
    with pytest.raises(UserError, match='must list names of parts'):
        dropped_parts(made)


def test_other_files_lack_nothing() -> None:
    assert dropped_parts(dict(state_dict={})) == ()
    assert dropped_parts(dict(weight=torch.ones(1))) == ()
