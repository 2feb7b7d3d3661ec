# Licensed under Apache-2.0.
"""The operators on a GPU against themselves on the CPU."""

from __future__ import annotations

import pytest
import torch

from mmwsss.ops import DENSE_CRF_PRESETS, dense_crf, dense_energy, par, unary_from_prob

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]


def data():
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (2, 3, 40, 36), generator=generator).float()
    logits = torch.randn(2, 5, 40, 36, generator=generator)
    return image, (3 * logits).softmax(dim=1)


def test_par():
    image, prob = data()
    result = par(image.cuda(), prob.cuda()).cpu()
    torch.testing.assert_close(result, par(image, prob), atol=5e-6, rtol=0)


def test_dense_energy_without_host_sync():
    image, prob = data()
    ignored = prob.amax(dim=1) < 0.6
    results = []
    for device in ('cpu', 'cuda'):
        leaf = prob.to(device).requires_grad_()
        inputs = image.to(device), leaf, None, ignored.to(device)
        torch.cuda.set_sync_debug_mode('error')
        try:
            energy = dense_energy(*inputs)
            energy.backward()
        finally:
            torch.cuda.set_sync_debug_mode('default')
        results.append((energy.detach().cpu(), leaf.grad.cpu()))
    torch.testing.assert_close(*results, atol=1e-4, rtol=1e-4)


def test_dense_crf():
    image, prob = data()
    unary, params = unary_from_prob(prob), DENSE_CRF_PRESETS['toco_cam']
    expected = dense_crf(image, unary, **params)
    result = dense_crf(image.cuda(), unary.cuda(), **params).cpu()
    assert float((result - expected).abs().max()) <= 1e-3
    repeated = dense_crf(image.cuda(), unary.cuda(), **params).cpu()
    assert torch.equal(result, repeated)
