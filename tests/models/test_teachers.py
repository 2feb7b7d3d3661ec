# Licensed under Apache-2.0.
"""The life of a teacher of moving averages: start, follow, predict."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from mmengine import Config
from mmengine.logging import MessageHub
from torch import nn

from mmwsss.io.errors import UserError
from mmwsss.models.teachers.averaged_parts import AveragedParts
from mmwsss.registry import MODELS
from tests.helpers.methods import ROOT


class Student(nn.Module):
    """Two networks with an average each; the third is left out."""

    def __init__(self, parts=('backbone', 'head', 'aux')) -> None:
        super().__init__()
        self.backbone = nn.Linear(3, 4)
        self.head = nn.Linear(4, 2)
        self.aux = None
        self.averaged = AveragedParts(self, parts)

    def forward(self, x):
        return self.head(self.backbone(x))


@pytest.fixture
def student() -> Student:
    torch.manual_seed(0)
    return Student()


def shift(student: Student, by: float = 1.0) -> None:
    """What an optimiser step does: change the student, not its averages."""
    for part in student.averaged.parts:
        for parameter in getattr(student, part).parameters():
            parameter.data += by


def test_names_in_the_checkpoint(student) -> None:
    assert student.averaged.parts == ('backbone', 'head')
    own = {'backbone.weight', 'backbone.bias', 'head.weight', 'head.bias'}
    copies = {key.replace('.', '_ema.module.', 1) for key in own}
    assert set(student.state_dict()) == own | copies


def test_follow_by_hand(student) -> None:
    before = student.backbone.weight.clone()
    shift(student)
    student.averaged.follow(0.75)
    torch.testing.assert_close(student.backbone_ema.module.weight, before + 0.25)
    assert torch.equal(student.backbone.weight, before + 1)


def test_follow_waits_for_a_step(student) -> None:
    """Gradients of three iterations make one step of the optimiser."""
    hub = MessageHub.get_current_instance()
    kept = dict(hub.runtime_info)
    followed = []
    try:
        hub.update_info('accumulative_counts', 3, resumed=False)
        for iteration in range(7):
            hub.update_info('iter', iteration)
            before = student.backbone_ema.module.weight.clone()
            shift(student)
            student.averaged.follow(0.5)
            moved = not torch.equal(before, student.backbone_ema.module.weight)
            followed.append(moved)
    finally:
        hub._runtime_info.clear()
        hub._runtime_info.update(kept)
    assert followed == [True, False, False, True, False, False, True]


def test_start(student) -> None:
    shift(student)
    student.averaged.start()
    for part in ('backbone', 'head'):
        ours, copied = getattr(student, part), getattr(student, f'{part}_ema').module
        assert torch.equal(ours.weight, copied.weight)
        assert torch.equal(ours.bias, copied.bias)


def test_network_shares_everything(student) -> None:
    x = torch.rand(5, 3)
    at_start = student(x)
    shift(student)
    network = student.averaged.network()
    assert torch.equal(network(x), at_start)
    assert not torch.equal(student(x), at_start)
    assert network.backbone is student.backbone_ema.module  # nothing is copied
    assert student.backbone is not network.backbone
    student.averaged.follow(0.0)
    assert torch.equal(network(x), student(x))


def test_no_gradient(student) -> None:
    assert not any(p.requires_grad for p in student.backbone_ema.parameters())
    assert not student.averaged.network()(torch.rand(5, 3)).requires_grad


@pytest.mark.parametrize(
    'duplicate', [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copied_model_has_its_own_teacher(student, duplicate) -> None:
    other = duplicate(student)
    assert other.averaged.owner is other
    before = student.backbone_ema.module.weight.clone()
    shift(other)
    other.averaged.follow(0.5)
    assert torch.equal(student.backbone_ema.module.weight, before)
    torch.testing.assert_close(other.backbone_ema.module.weight, before + 0.5)
    assert other.averaged.network().backbone is other.backbone_ema.module


def test_state_dict_resumes_bit_by_bit(student) -> None:
    shift(student, 0.3)
    student.averaged.follow(0.9)
    other = Student()
    other.load_state_dict(student.state_dict(), strict=True)
    for model in (student, other):
        shift(model, 0.1)
        model.averaged.follow(0.999)
    ours, theirs = student.state_dict(), other.state_dict()
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_unknown_part_is_refused() -> None:
    with pytest.raises(AttributeError, match='decoder'):
        Student(parts=('decoder',))


def test_no_teacher_of_the_backbone_is_refused() -> None:
    with pytest.raises(UserError, match='use_teacher.*Student keeps no'):
        Student(parts=('head',)).averaged.network()


def test_compiled_network_follows(student) -> None:
    network = student.averaged.network()
    compiled = torch.compile(network, backend='eager', fullgraph=True)
    x = torch.rand(5, 3)
    for _ in range(2):
        assert torch.equal(compiled(x), network(x))
        shift(student)
        student.averaged.follow(0.5)


@pytest.mark.parametrize(
    'config,parts',
    [
        ('configs/toco/toco_vit-t_shapes.py', ('proj_head',)),
        (
            'configs/fsr/fsr_vit-t_shapes.py',
            ('backbone', 'proj_head', 'cam_head', 'aux_cam_head', 'decode_head'),
        ),
    ],
)
def test_methods(config, parts) -> None:
    """The teacher starts as the student; a deep copy of the model has its own."""
    cfg = Config.fromfile(ROOT / config).model
    cfg.backbone.pretrained = None
    model = MODELS.build(cfg)
    model.init_weights()
    assert model.averaged.parts == parts
    state = model.state_dict()
    for key in [k for k in state if '_ema.module.' in k]:
        assert torch.equal(state[key], state[key.replace('_ema.module', '')]), key
    assert copy.deepcopy(model).averaged.owner is not model
    if 'backbone' in parts:
        assert model.teacher_network().backbone is model.backbone_ema.module
    else:
        with pytest.raises(UserError, match='ToCo keeps no teacher'):
            model.teacher_network()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_the_gpu(student) -> None:
    student.cuda()
    shift(student)
    student.averaged.follow(0.5)
    x = torch.rand(5, 3)
    on_gpu = student.averaged.network()(x.cuda()).cpu()
    torch.testing.assert_close(on_gpu, student.cpu().averaged.network()(x))
