# Licensed under Apache-2.0.
"""EPS's loss: against its definition by loops, gradients, autocast, bad input."""

from __future__ import annotations

import pytest
import torch

from mmwsss.methods.eps.saliency_loss import SaliencyLoss, saliency_loss


def inputs(seed: int = 0, dtype=torch.float32) -> tuple[torch.Tensor, ...]:
    """Logits of 3 classes and background, saliency, labels."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 4, 5, 6, generator=generator, dtype=dtype)
    saliency = torch.rand(2, 1, 20, 24, generator=generator, dtype=dtype)
    label = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], dtype=dtype)
    return logits, saliency, label


def masked_loss(logits, saliency, label, tau, lam) -> torch.Tensor:
    """The definition by loops over images and classes ."""
    prob, terms = logits.softmax(1), []
    for p, s, y in zip(prob, saliency[:, 0, ::4, ::4], label, strict=True):
        fg, bg = torch.zeros_like(s), p[-1].clone()
        for c in range(len(y)):
            sure = p[c] > 0.5
            overlap = (sure & (s > 0.5)).sum() / (sure.sum() + 1e-4 * s.numel())
            if y[c] and overlap > tau:
                fg = fg + p[c]
            elif y[c]:
                bg = bg + p[c]
        terms.append((lam * fg + (1 - lam) * (1 - bg) - s) ** 2)
    return torch.stack(terms).mean()


@pytest.mark.parametrize('seed', range(4))
def test_equals_the_definition(seed: int) -> None:
    data = inputs(seed, torch.float64)
    for tau, lam in ((0.4, 0.5), (0.3, 0.9), (0.0, 1.0)):
        torch.testing.assert_close(
            saliency_loss(*data, tau, lam), masked_loss(*data, tau, lam)
        )


def test_gradcheck() -> None:
    logits, saliency, label = inputs(1, torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: saliency_loss(z, saliency, label), logits.requires_grad_()
    )


def test_half_precision_is_cast() -> None:
    logits, saliency, label = inputs()
    with torch.autocast('cpu', torch.bfloat16):
        loss = saliency_loss(logits.bfloat16(), saliency, label)
    assert loss.dtype == torch.float32
    assert loss == saliency_loss(logits.bfloat16().float(), saliency, label)


def test_wrong_shapes_and_settings() -> None:
    logits, saliency, label = inputs()
    for wrong in (
        (logits, saliency[:1], label),
        (logits[:, :3], saliency, label),
        (logits, saliency.repeat(1, 3, 1, 1), label),
    ):
        with pytest.raises(ValueError, match=r'need saliency \(B, 1, H, W\)'):
            saliency_loss(*wrong)
    for setting in (dict(overlap_thr=1.5), dict(fg_weight=-0.1)):
        with pytest.raises(ValueError, match=f'{next(iter(setting))} must be in'):
            SaliencyLoss(**setting)
