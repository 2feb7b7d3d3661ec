# Licensed under Apache-2.0.
"""Both contrastive losses of SeCo: values, revised tags, gradients."""

from __future__ import annotations

import torch

from mmwsss.methods.seco.tag_contrast import TagContrast
from tests.goldens.seco_model import below, cases, close, equal, tensors

GRADIENTS = 1e-4  # of the description


def test_losses(golden) -> None:
    file = golden('seco_losses')
    for case in cases(file):
        check(tensors(below(file, f'{case}/')))


def check(data: dict[str, torch.Tensor]) -> None:
    """One case."""
    settings = {
        term: dict(
            temperature=float(data[f'temp_{term}']),
            base_temperature=float(data[f'base_temp_{term}']),
        )
        for term in TagContrast.TERMS
    }
    queries = data['q'].requires_grad_()
    names = ('tags', 'keys', 'key_tags', 'prototypes')
    terms, revised = TagContrast(**settings)(queries, *(data[k] for k in names))
    equal(revised, data['revised_tags'])
    for term in TagContrast.TERMS:
        close(terms[term], data[term].numpy())
        (grad,) = torch.autograd.grad(terms[term], queries)
        close(grad, data[f'grad_{term}'].numpy(), GRADIENTS)
