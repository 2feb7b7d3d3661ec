# Licensed under Apache-2.0.
from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.models.memory.gather_rows import all_gather_varied
from mmwsss.models.memory.memory_bank import MemoryBank
from mmwsss.registry import MODELS
from mmwsss.testing.host_sync import NoHostSync
from tests.helpers.processes import in_processes


def rows(*values: float) -> Tensor:
    """Features (N, 2) that can be told apart."""
    return torch.tensor([[float(v), -float(v)] for v in values])


def queue(size: int = 5, **kwargs) -> MemoryBank:
    return MemoryBank(2, size=size, **kwargs)


def state_equal(ours: MemoryBank, theirs: MemoryBank) -> bool:
    a, b = ours.state_dict(), theirs.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# ------------------------------------------------------------------ smoke, shapes
def test_registered_and_shapes() -> None:
    bank = MODELS.build(dict(type='MemoryBank', dim=4, size=6, num_foreground=3))
    shapes = {key: tuple(value.shape) for key, value in bank.state_dict().items()}
    assert shapes == dict(
        features=(6, 4), tags=(6,), pointer=(), count=(), prototypes=(3, 4)
    )
    assert not list(bank.parameters())
    assert bank.tags.tolist() == [-1] * 6 and not bank.filled.any()


@pytest.mark.parametrize(
    'kwargs,keys',
    [
        (dict(size=3), {'features', 'tags', 'pointer', 'count'}),
        (dict(num_foreground=3), {'prototypes'}),
    ],
)
def test_either_part_alone(kwargs, keys) -> None:
    assert set(MemoryBank(2, **kwargs).state_dict()) == keys


# ------------------------------------------------------------------ queue by hand
def test_partial_fill_and_wrap_around() -> None:
    bank = queue()
    bank.enqueue(rows(1, 2, 3), torch.tensor([1, 0, -1]))
    assert bank.tags.tolist() == [1, 0, -1, -1, -1]
    assert bank.filled.tolist() == [True, True, True, False, False]
    bank.enqueue(rows(4, 5, 6), torch.tensor([4, 5, 6]))
    assert torch.equal(bank.features, rows(6, 2, 3, 4, 5))
    assert bank.tags.tolist() == [6, 0, -1, 4, 5]
    assert bank.pointer.item() == 1 and bank.filled.all()


def test_exact_fill_returns_to_the_first_slot() -> None:
    bank = queue(4)
    for first in (1, 3, 5):
        bank.enqueue(rows(first, first + 1), torch.tensor([first, first + 1]))
    assert bank.tags.tolist() == [5, 6, 3, 4] and bank.pointer.item() == 2


def test_more_rows_than_slots_keeps_the_last() -> None:
    """As if they had come one by one."""
    whole, single = queue(3), queue(3)
    features, tags = rows(*range(1, 9)), torch.arange(1, 9)
    whole.enqueue(features, tags)
    for feature, tag in zip(features.split(1), tags.split(1), strict=True):
        single.enqueue(feature, tag)
    assert state_equal(whole, single)
    assert whole.tags.tolist() == [7, 8, 6]


def test_no_rows_change_nothing() -> None:
    bank = MemoryBank(2, size=3, num_foreground=2)
    before = copy.deepcopy(bank)
    bank.enqueue(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))
    bank.update_prototypes(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))
    assert state_equal(bank, before)


def test_start_with_a_full_queue() -> None:
    bank = queue(3)
    bank.enqueue(rows(1), torch.tensor([1]))
    bank.fill(rows(7, 8, 9), torch.zeros(3, dtype=torch.long))
    assert bank.filled.all() and bank.pointer.item() == 0
    assert torch.equal(bank.features, rows(7, 8, 9)) and not bank.tags.any()


def test_no_gradient_and_half_precision() -> None:
    bank = MemoryBank(2, size=3, num_foreground=1)
    features = rows(1, 2).half().requires_grad_()
    bank.enqueue(features, torch.tensor([1, 1]))
    bank.update_prototypes(features, torch.tensor([1, 1]))
    for memory in (bank.features, bank.prototypes):
        assert memory.dtype == torch.float32 and not memory.requires_grad


# ------------------------------------------------------------------ prototypes
def one_by_one(
    prototypes: Tensor, features: Tensor, labels: Tensor, momentum: float
) -> Tensor:
    """The definition: rows in their order, then unit vectors."""
    prototypes = prototypes.clone()
    for feature, label in zip(features, labels.tolist(), strict=True):
        if 1 <= label <= len(prototypes):
            old = prototypes[label - 1]
            prototypes[label - 1] = momentum * old + (1 - momentum) * feature
    return prototypes


@pytest.mark.parametrize('momentum', [0.0, 0.9, 1.0])
@pytest.mark.parametrize('normalise', [True, False])
def test_prototypes_follow_row_by_row(momentum, normalise) -> None:
    torch.manual_seed(0)
    bank = MemoryBank(4, num_foreground=3, momentum=momentum, normalise=normalise)
    bank.prototypes.normal_()
    features, labels = torch.randn(9, 4), torch.tensor([1, 3, 0, 1, -1, 1, 255, 3, 4])
    expected = one_by_one(bank.prototypes, features, labels, momentum)
    expected = F.normalize(expected, dim=1) if normalise else expected
    bank.update_prototypes(features, labels)
    torch.testing.assert_close(bank.prototypes, expected, atol=1e-6, rtol=1e-6)


def test_first_row_of_a_class_is_its_prototype() -> None:
    bank = MemoryBank(2, num_foreground=2)
    bank.update_prototypes(torch.tensor([[3.0, 4.0]]), torch.tensor([2]))
    torch.testing.assert_close(bank.prototypes, torch.tensor([[0.0, 0.0], [0.6, 0.8]]))


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), -float('inf')])
@pytest.mark.parametrize('label', [255, 0, -1, 2])
def test_a_row_that_is_not_finite_stays_out(bad, label) -> None:
    """Left out by its id or not: the memory is as if it hadn't come."""
    ours, theirs = (MemoryBank(2, size=4, num_foreground=3) for _ in range(2))
    features = torch.tensor([[3.0, 4.0], [bad, 1.0], [6.0, 8.0]])
    labels = torch.tensor([1, label, 2])
    good = torch.tensor([True, False, True])
    with NoHostSync():
        ours.update_prototypes(features, labels)
        ours.enqueue(features, labels)
    theirs.update_prototypes(features[good], labels[good])
    assert torch.equal(ours.prototypes, theirs.prototypes)
    assert ours.tags.tolist() == [1, -1, 2, -1]
    assert torch.equal(ours.features[:3], features.where(good[:, None], 0))
    ours.fill(torch.full((4, 2), bad), torch.ones(4, dtype=torch.long))
    assert not ours.features.any() and ours.tags.tolist() == [-1] * 4


# ------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    'kwargs,message',
    [
        (dict(dim=2), 'size, num_foreground or both'),
        (dict(dim=0, size=2), 'dim .* at least 1: 0'),
        (dict(dim=2, size=0), 'size .* at least 1: 0'),
        (dict(dim=2, num_foreground=2, momentum=1.5), r'momentum .* 1\.5'),
    ],
)
def test_refused_settings(kwargs, message) -> None:
    with pytest.raises(ValueError, match=message):
        MemoryBank(**kwargs)


def test_refused_calls() -> None:
    bank = queue()
    with pytest.raises(ValueError, match=r'\(3, 2\) and \(2,\)'):
        bank.enqueue(rows(1, 2, 3), torch.tensor([1, 2]))
    with pytest.raises(ValueError, match=r'\(2, 3\) and \(2,\)'):
        bank.enqueue(torch.zeros(2, 3), torch.tensor([1, 2]))
    with pytest.raises(TypeError, match='integers, got torch.float32'):
        bank.enqueue(rows(1), torch.tensor([1.0]))
    with pytest.raises(ValueError, match='without num_foreground'):
        bank.update_prototypes(rows(1), torch.tensor([1]))
    with pytest.raises(ValueError, match='each of 5 slots, got 1'):
        bank.fill(rows(1), torch.tensor([1]))
    with pytest.raises(ValueError, match='without size'):
        MemoryBank(2, num_foreground=1).enqueue(rows(1), torch.tensor([1]))


# ------------------------------------------------------------------ state, compile
def random_step(bank: MemoryBank, seed: int, number: int = 3) -> None:
    g = torch.Generator().manual_seed(seed)
    device = bank.features.device
    features = torch.randn(number, 2, generator=g).to(device)
    labels = torch.randint(-1, 4, (number,), generator=g).to(device)
    bank.enqueue(features, labels)
    bank.update_prototypes(features, labels)


def test_state_dict_resumes_bit_by_bit(tmp_path) -> None:
    ours, theirs = (MemoryBank(2, size=7, num_foreground=3) for _ in range(2))
    for seed in range(3):
        random_step(ours, seed)
    torch.save(ours.state_dict(), tmp_path / 'bank.pth')
    theirs.load_state_dict(torch.load(tmp_path / 'bank.pth'), strict=True)
    for bank in (ours, theirs):
        random_step(bank, 3)
    assert state_equal(ours, theirs)
    assert ours.pointer.item() == 12 % 7


def test_host_never_waits() -> None:
    bank = MemoryBank(2, size=4, num_foreground=3)
    features, labels = rows(1, 2, 3), torch.tensor([1, 1, -1])
    with NoHostSync():
        for _ in range(2):
            bank.enqueue(features, labels)
            bank.update_prototypes(features, labels)
            assert bank.filled.shape == (4,)


def test_full_graph() -> None:
    plain, traced = (MemoryBank(2, size=4, num_foreground=3) for _ in range(2))

    def step(bank, features, labels):
        bank.enqueue(features, labels)
        bank.update_prototypes(features, labels)
        return bank.filled

    compiled = torch.compile(step, backend='eager', fullgraph=True)
    for first in (1, 4):
        given = rows(first, first + 1, first + 2), torch.tensor([1, 3, 1])
        assert torch.equal(step(plain, *given), compiled(traced, *given))
    assert state_equal(plain, traced)


# ------------------------------------------------------------------ processes
def gather_and_remember(rank: int, equal: bool) -> dict[str, Tensor]:
    """Rank r brings r + 1 rows, or 2; one process brings none at last."""
    bank = MemoryBank(2, size=5, num_foreground=3, equal_rows=equal)
    for step in range(2):
        number = 2 if equal else rank + 1
        values = [10 * step + 5 * rank + i + 1 for i in range(number)]
        tags = torch.tensor([rank + 1] * number)
        bank.enqueue(rows(*values), tags)
        bank.update_prototypes(rows(*values), tags)
    state = bank.state_dict()
    if not equal:
        state['gathered'] = all_gather_varied(torch.full((rank, 3), 7, dtype=torch.int))
    return state


@pytest.mark.parametrize(
    'equal,features,pointer',
    [(False, (17, 6, 7, 11, 16), 1), (True, (12, 16, 17, 7, 11), 3)],
)
def test_two_processes_remember_the_same(tmp_path, equal, features, pointer) -> None:
    first, second = in_processes(gather_and_remember, tmp_path, equal)
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert torch.equal(first['features'], rows(*features))
    assert first['pointer'].item() == pointer
    unit = F.normalize(rows(1), dim=1)[0]
    expected = torch.stack([unit, unit, 0 * unit])
    torch.testing.assert_close(first['prototypes'], expected)
    if not equal:
        assert torch.equal(first['gathered'], torch.full((1, 3), 7, dtype=torch.int))


def test_gather_without_distribution_is_the_tensor_itself() -> None:
    tensor = torch.rand(3, 2, requires_grad=True)
    gathered = all_gather_varied(tensor)
    assert gathered.data_ptr() == tensor.data_ptr() and not gathered.requires_grad


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_the_gpu() -> None:
    """The same as on the CPU, and the host doesn't wait."""
    cpu = MemoryBank(2, size=7, num_foreground=3)
    gpu = copy.deepcopy(cpu).cuda()
    for seed in range(4):
        random_step(cpu, seed)
        random_step(gpu, seed)
    gpu_state = {k: v.cpu() for k, v in gpu.state_dict().items()}
    for key, value in cpu.state_dict().items():
        torch.testing.assert_close(gpu_state[key], value, atol=1e-6, rtol=1e-6)
    features, labels = rows(1, 2).cuda(), torch.tensor([1, 3]).cuda()
    torch.cuda.set_sync_debug_mode('error')
    try:
        gpu.enqueue(features, labels)
        gpu.update_prototypes(features, labels)
    finally:
        torch.cuda.set_sync_debug_mode('default')
