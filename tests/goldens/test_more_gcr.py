# Licensed under Apache-2.0.
"""Graph Category Representation: neighbours, outputs, gradients."""

from __future__ import annotations

import torch

from mmwsss.methods.more.category_graph import CategoryGraph, neighbours
from mmwsss.methods.more.more_keys import convert_more
from tests.goldens.more_model import below, cases, close, equal, tensors


def graph_of(one) -> CategoryGraph:
    """The layer with the file's weights."""
    graph = CategoryGraph(one['class_tokens'].shape[-1])
    state = {f'graph_layer.{k}': v for k, v in tensors(below(one, 'sd.')).items()}
    ours = {k.removeprefix('graph.'): v for k, v in convert_more(state).items()}
    graph.load_state_dict(ours, strict=True)
    return graph


def test_graph(golden) -> None:
    data = golden('more_gcr')
    names = cases(data)
    assert names
    for name in names:
        check(below(data, f'{name}/'))


def check(one) -> None:
    graph, given = graph_of(one), tensors(one)
    tokens = given['class_tokens'].requires_grad_()
    patches = given['patch_tokens'].mT[..., None].clone().requires_grad_()  # N x 1
    nodes = torch.cat([tokens, given['patch_tokens']], 1)
    near = neighbours(graph.head_proj(tokens), graph.tail_proj(nodes))
    assert near.index.shape[-1] == int(one['topk'])
    equal(near.index, one['neighbours'])
    close(near.logits, one['neighbour_logits'])
    out = graph(tokens, patches)
    close(out, one['out'])
    (given['upstream'] * out).sum().backward()
    close(tokens.grad, one['grad_class_tokens'], 1e-4)
    assert patches.grad is None
    for name, expected in below(one, 'grad.').items():
        if not name.startswith('_fc1'):
            close(graph.get_parameter(name).grad, expected, 1e-4)
