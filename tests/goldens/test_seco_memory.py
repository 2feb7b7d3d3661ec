# Licensed under Apache-2.0.
"""The memory bank against SeCo's queue and prototypes, on one and on two processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.models.memory.memory_bank import MemoryBank
from tests.helpers.processes import in_processes


@pytest.fixture
def data(golden):
    return golden('seco_memory')


def bank_before(data: dict[str, np.ndarray]) -> MemoryBank:
    size, dim = data['queue_before'].shape
    bank = MemoryBank(
        dim,
        size=size,
        num_foreground=len(data['prototypes_before']),
        momentum=float(data['proto_m']),
    )
    bank.fill(
        torch.from_numpy(data['queue_before']),
        torch.from_numpy(data['queue_tags_before']),
    )
    bank.pointer.fill_(int(data['ptr_before']))
    bank.prototypes.copy_(torch.from_numpy(data['prototypes_before']))
    return bank


def step(bank: MemoryBank, data: dict[str, np.ndarray], keys: str) -> None:
    """``keys``: the names with a place for what they name."""
    names = ('embeds', 'label_idx', 'keys', 'tags')
    arrays = [torch.from_numpy(data[keys.format(name)]) for name in names]
    bank.update_prototypes(*arrays[:2])
    bank.enqueue(*arrays[2:])


def check(state: dict[str, torch.Tensor], data: dict, prefix: str) -> None:
    expected = {
        ours: torch.from_numpy(data[f'{prefix}/{theirs}'])
        for ours, theirs in dict(
            features='queue', tags='queue_tags', pointer='ptr', prototypes='prototypes'
        ).items()
    }
    for name in ('features', 'tags', 'pointer'):
        assert torch.equal(state[name], expected[name].to(state[name].dtype)), name
    largest = expected['prototypes'].abs().max().item()
    torch.testing.assert_close(
        state['prototypes'], expected['prototypes'], atol=1e-5 * largest, rtol=0
    )


def test_three_steps(data) -> None:
    bank = bank_before(data)
    for i in range(3):
        step(bank, data, f'step{i}/{{}}')
        check(bank.state_dict(), data, f'step{i}')


def two_steps(rank: int, data: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    bank = bank_before(data)
    for s in range(2):
        step(bank, data, f'rank{rank}/{{}}{s}')
    return bank.state_dict()


def test_two_ranks(data, tmp_path) -> None:
    first, second = in_processes(two_steps, tmp_path, data)
    assert all(torch.equal(first[k], second[k]) for k in first)
    check(first, data, 'ranks')
