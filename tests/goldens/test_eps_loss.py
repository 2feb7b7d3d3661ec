# Licensed under Apache-2.0.
"""EPS's losses against the released functions."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from mmwsss.methods.eps.saliency_loss import (
    SaliencyLoss,
    saliency_class_weights,
    saliency_loss,
    saliency_overlap,
)
from mmwsss.models.losses.multi_label_soft_margin import multi_label_soft_margin


def cases(data: dict) -> list[dict]:
    """The arrays of each case."""
    return [
        {
            k.split('/', 1)[1]: torch.from_numpy(v)
            for k, v in data.items()
            if k.startswith(f'c{i}/')
        }
        for i in range(int(data['n_cases']))
    ]


def near(ours: torch.Tensor, theirs: torch.Tensor, atol: float = 1e-6) -> None:
    """Equal to an absolute error; the reference's maxima are about 1."""
    torch.testing.assert_close(
        ours.detach().reshape(theirs.shape), theirs, rtol=1e-6, atol=atol
    )


def test_choice_of_classes(golden) -> None:
    """Overlap, consistent classes and the maps that they make."""
    for case in cases(golden('eps_loss')):
        prob = case['cam'].softmax(1)[:, :-1]
        target = F.interpolate(case['saliency'], prob.shape[-2:], mode='nearest')
        overlap = saliency_overlap(prob, target)
        near(overlap, case['overlap'])
        # λ = 1 leaves the foreground map, λ = 0 the complement of the background map
        for weight, name in ((1.0, 'fg_map'), (0.0, 'bg_map'), (None, 'sal_pred')):
            weight = float(case['lam']) if weight is None else weight
            weights = saliency_class_weights(
                overlap, case['label'], float(case['tau']), weight
            )
            near(torch.einsum('bc,bchw->bhw', weights, prob), case[name])
            if name == 'fg_map':
                np.testing.assert_array_equal(weights.bool(), case['valid'])


def test_losses_and_gradients(golden) -> None:
    for case in cases(golden('eps_loss')):
        logits = case['cam'].clone().requires_grad_()
        setting = dict(overlap_thr=float(case['tau']), fg_weight=float(case['lam']))
        sal = saliency_loss(logits, case['saliency'], case['label'], **setting)
        near(sal, case['loss_sal'])
        module = SaliencyLoss(**setting)(logits, case['saliency'], case['label'])
        assert torch.equal(module, sal)
        (grad,) = torch.autograd.grad(sal, logits, retain_graph=True)
        near(grad, case['grad_cam_sal'], 1e-7)
        pooled = logits.mean((2, 3))
        near(pooled, case['pred'])
        cls = multi_label_soft_margin(pooled[:, :-1], case['label'])
        near(cls, case['loss_cls'])
        (grad,) = torch.autograd.grad(cls + sal, logits)
        near(grad, case['grad_cam_total'], 1e-7)
