# Licensed under Apache-2.0.
"""Two gloo processes: a step of SeCo has its own rows, and the memory of both."""

from __future__ import annotations

import torch
from torch import Tensor

from mmwsss.methods.seco.seco import SeCo
from mmwsss.testing import build, gradients, step, total
from tests.helpers.processes import in_processes

SECO = 'configs/seco/seco_vit-t_shapes.py'
LAST = 300
#: both have the picture of one class, whose prototype moves twice
HALVES = ((0, 1), (1, 2))
NAMES = ('features', 'tags', 'pointer', 'prototypes')
Found = dict[str, dict[str, Tensor]]


def outcome(model: SeCo, rank: int) -> Found:
    """Losses, gradients and memory of a step with all terms."""
    losses = step(model, LAST, HALVES[rank])
    grads = gradients(model, total(losses))
    memory = {name: getattr(model.memory, name) for name in NAMES}
    return dict(losses={k: v.detach() for k, v in losses.items()}, grads=grads,
                memory=memory)  # fmt: skip


def one_rank(rank: int) -> Found:
    return outcome(build(SECO), rank)


def alone(rank: int) -> tuple[list[Tensor], list[Tensor]]:
    """What a half brings to the memory: keys and tags, class tokens and classes."""
    model, given = build(SECO), {}
    for name in ('enqueue', 'update_prototypes'):
        setattr(model.memory, name, lambda *rows, name=name: given.update({name: rows}))
    step(model, LAST, HALVES[rank])
    return [[t.detach() for t in given[k]] for k in ('enqueue', 'update_prototypes')]


def with_rows_of_both(rank: int) -> Found:
    """One process, whose memory is handed the rows of both halves."""
    model, brought = build(SECO), [alone(half) for half in range(2)]
    for place, name in enumerate(('enqueue', 'update_prototypes')):
        real = getattr(model.memory, name)
        rows = [torch.cat(both) for both in zip(*(b[place] for b in brought))]
        setattr(model.memory, name, lambda *_, real=real, rows=rows: real(*rows))
    return outcome(model, rank)


def test_a_step_of_two_processes(tmp_path) -> None:
    """Losses, gradients and memory are those of the definition, on each rank."""
    found = in_processes(one_rank, tmp_path)
    for name in NAMES:
        assert torch.equal(*(half['memory'][name] for half in found)), name
    for rank, half in enumerate(found):
        expected = with_rows_of_both(rank)
        for part in ('losses', 'grads', 'memory'):
            assert half[part].keys() == expected[part].keys()
            for name, value in expected[part].items():
                torch.testing.assert_close(
                    half[part][name], value, rtol=1e-5, atol=1e-6, msg=f'{part} {name}'
                )
    # the other half's rows matter: neither loss is that of a process on its own
    single = outcome(build(SECO), 0)['losses']
    assert all(single[f'loss_{t}'] != found[0]['losses'][f'loss_{t}'] for t in
               ('lil', 'lig'))  # fmt: skip
