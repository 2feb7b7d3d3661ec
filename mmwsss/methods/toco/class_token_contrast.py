# Licensed under Apache-2.0.
from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS

EPS = 1e-4


@in_float32
def class_token_contrast(
    student: Tensor, teacher: Tensor, flags: Tensor, temperature: float
) -> Tensor:
    r"""Class-token contrast L_ctc (ToCo, Eq. 7, as released).

    For image i with teacher views t_v and student views s_j, e_vj = exp(t_v·s_j/T),
    n_v the sum of e_vj over the negatives and P the number of positives:

    .. math::
        \frac{1}{2(P + \epsilon)} \sum_{v} \Bigl[\sum_{j\in +}
        -\log\frac{e_{vj}}{e_{vj} + n_v + \epsilon} + \log(1 + n_v + \epsilon)\Bigr]

    averaged over images; the last term is one extra, negatives-only contribution of
    each view that the release adds. Evaluated in logarithms: projections aren't
    normalised, so exp(t·s/T) overflows where the loss doesn't.

    Args:
        student: (V·B, D) projections of V views, view-major (view 1 of all images
            first); the leading views are the global ones.
        teacher: (G·B, D) projections of the G global views, view-major, detached.
        flags: (B, V) 1 = positive, 0 = negative; global views are positive.
        temperature: T > 0 (0.5 on VOC, 1.0 on COCO).

    Returns:
        0-dim float32 loss.

    Raises:
        ValueError: if the shapes don't belong together or T isn't positive.
    """
    batch, views = flags.shape
    if temperature <= 0:
        raise ValueError(f'temperature must be positive, got {temperature}')
    if len(student) != batch * views or len(teacher) % batch:
        raise ValueError(
            f'flags (B, V) = {tuple(flags.shape)} need B*V student rows and a multiple '
            f'of B teacher rows, got {len(student)} and {len(teacher)}'
        )
    student = student.unflatten(0, (views, batch))
    teacher = teacher.detach().unflatten(0, (-1, batch))
    logits = torch.einsum('vbd,jbd->bvj', teacher, student) / temperature

    positive = flags[:, None, :] == 1
    # log(n_v + eps): the eps joins as one more summand, so that it stays finite.
    floor = logits.new_full((*logits.shape[:2], 1), math.log(EPS))
    negatives = logits.masked_fill(positive, float('-inf'))
    log_n = torch.cat([negatives, floor], dim=-1).logsumexp(-1)

    pulls = F.softplus(log_n[..., None] - logits) * positive
    per_image = (pulls.sum(-1) + F.softplus(log_n)).sum(-1)
    count = positive.sum(-1).squeeze(1)
    return (per_image / (teacher.shape[0] * (count + EPS))).mean()


@MODELS.register_module()
class ClassTokenContrast(nn.Module):
    """Module form of :func:`class_token_contrast`.

    Args:
        temperature: T (0.5 on VOC, 1.0 on COCO).
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, student: Tensor, teacher: Tensor, flags: Tensor) -> Tensor:
        """See :func:`class_token_contrast`."""
        return class_token_contrast(student, teacher, flags, self.temperature)
