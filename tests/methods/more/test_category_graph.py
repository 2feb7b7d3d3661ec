# Licensed under Apache-2.0.
"""The graph of class tokens and patches."""

from __future__ import annotations

import pytest
import torch

from mmwsss.methods.more.category_graph import CategoryGraph, neighbours


def test_a_class_token_hears_its_neighbours_alone() -> None:
    """A patch that is nobody's neighbour changes nothing."""
    torch.manual_seed(0)
    graph = CategoryGraph(8)
    tokens, patches = torch.randn(1, 4, 8), torch.randn(1, 8, 3, 3)
    with torch.no_grad():
        nodes = torch.cat([tokens, patches.flatten(2).mT], 1)
        near = neighbours(graph.head_proj(tokens), graph.tail_proj(nodes)).index
        heard = set(near.flatten().tolist())
        silent = next(i for i in range(4, 13) if i not in heard)
        loud = next(i for i in heard if i >= 4)
        plain = graph(tokens, patches)
        for place, changes in ((silent, False), (loud, True)):
            other = patches.clone()
            other.flatten(2)[0, :, place - 4] *= 0.999
            assert torch.equal(graph(tokens, other), plain) != changes


@pytest.mark.parametrize('score', ['sums', 'inner'])
def test_gradients(score: str) -> None:
    """Tokens and weights learn, patches don't."""
    torch.manual_seed(1)
    graph = CategoryGraph(6, score=score).double()
    tokens = torch.randn(1, 4, 6, dtype=torch.float64, requires_grad=True)
    patches = torch.randn(1, 6, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: graph(t, patches), tokens)
    graph(tokens, patches).sum().backward()
    assert patches.grad is None
    assert all(p.grad is not None for p in graph.parameters())


def test_scores_differ_in_their_weights() -> None:
    torch.manual_seed(2)
    sums, inner = CategoryGraph(6), CategoryGraph(6, score='inner')
    inner.load_state_dict(sums.state_dict())
    tokens, patches = torch.randn(1, 4, 6), torch.randn(1, 6, 3, 3)
    assert not torch.allclose(sums(tokens, patches), inner(tokens, patches))


def test_autocast_changes_nothing() -> None:
    torch.manual_seed(3)
    graph = CategoryGraph(6)
    tokens, patches = torch.randn(2, 4, 6), torch.randn(2, 6, 3, 3)
    with torch.autocast('cpu', torch.bfloat16):
        half = graph(tokens, patches)
    assert half.dtype == torch.float32 and torch.equal(half, graph(tokens, patches))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_the_gpu() -> None:
    """The numbers of the CPU, and the host doesn't wait."""
    torch.manual_seed(4)
    graph = CategoryGraph(6)
    tokens, patches = torch.randn(2, 4, 6), torch.randn(2, 6, 3, 3)
    plain = graph(tokens, patches)
    graph, given = graph.cuda(), [t.cuda() for t in (tokens, patches)]
    torch.cuda.set_sync_debug_mode('error')
    try:
        found = graph(*given)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    torch.testing.assert_close(found.cpu(), plain)
