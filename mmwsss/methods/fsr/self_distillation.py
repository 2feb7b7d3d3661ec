# Licensed under Apache-2.0.
from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS

REDUCTIONS = ('mean', 'sum')


@in_float32
def self_distillation(
    student: Tensor,
    teacher: Tensor,
    center: Tensor,
    student_temp: float,
    teacher_temp: float,
    weight: Tensor | None = None,
    reduction: str = 'mean',
) -> Tensor:
    r"""Cross entropy of the student's tokens with the teacher's (FSR, Eq. 8 and 9).

    With p = softmax((t − c) / τ_t), which is centred and sharpened and has no
    gradient, and q = softmax(s / τ_s) over K outputs:

    .. math::
        \frac1B \sum_b \frac{\sum_n w_{bn} \bigl(-\sum_k p_{bnk} \log q_{bnk}\bigr)}
        {\max(\sum_n w_{bn}, 1)}

    Args:
        student: (B, N, K) projections.
        teacher: (B, N, K), or (B, 1, K) where one token teaches all.
        center: (K,) c.
        student_temp, teacher_temp: τ_s and τ_t > 0.
        weight: (B, N) w, 1 for the tokens that count, or ``None``: all.
        reduction: ``'mean'`` over an image's tokens (released) or their ``'sum'``
            (Eq. 8 as printed).

    Returns:
        0-dim float32 loss; 0 without any token.

    Raises:
        ValueError: if shapes, temperatures or the reduction don't fit.
    """
    _check(student, teacher, center, student_temp, teacher_temp, reduction)
    target = ((teacher.detach() - center) / teacher_temp).softmax(-1)
    loss = -(target * (student / student_temp).log_softmax(-1)).sum(-1)
    if weight is None:
        weight = torch.ones_like(loss)
    weight = weight.to(loss.dtype)
    total = (loss * weight).sum(1)
    if reduction == 'mean':
        total = total / weight.sum(1).clamp_min(1)
    return total.mean()


def _check(
    student: Tensor,
    teacher: Tensor,
    center: Tensor,
    student_temp: float,
    teacher_temp: float,
    reduction: str,
) -> None:
    fits = student.dim() == teacher.dim() == 3 and (
        len(student) == len(teacher)
        and teacher.shape[1] in (1, student.shape[1])
        and student.shape[2] == teacher.shape[2] == center.numel()
    )
    if not fits:
        raise ValueError(
            'student (B, N, K), teacher (B, N or 1, K) and center (K,) must fit, got '
            f'{tuple(student.shape)}, {tuple(teacher.shape)}, {tuple(center.shape)}: '
            'is channels of the loss that of the projector?'
        )
    if student_temp <= 0 or teacher_temp <= 0:
        raise ValueError(
            'temperatures must be positive, got '
            f'student {student_temp}, teacher {teacher_temp}'
        )
    if reduction not in REDUCTIONS:
        raise ValueError(f'reduction must be one of {REDUCTIONS}, got {reduction!r}')


@MODELS.register_module()
class SelfDistillation(nn.Module):
    """:func:`self_distillation` with the running centre of the teacher's outputs.

    The centre is a buffer: checkpoints hold it, so that a resumed run goes on exactly.

    Args:
        channels: K of the projector.
        student_temp: τ_s (0.1 as released).
        center_momentum: share of the old centre (0.9 as released).
        reduction: see :func:`self_distillation`.
    """

    center: Tensor

    def __init__(
        self,
        channels: int,
        student_temp: float = 0.1,
        center_momentum: float = 0.9,
        reduction: str = 'mean',
    ) -> None:
        super().__init__()
        if not 0 <= center_momentum <= 1:
            raise ValueError(
                f'center_momentum must be in [0, 1], got {center_momentum}'
            )
        self.student_temp, self.momentum = student_temp, center_momentum
        self.reduction = reduction
        self.register_buffer('center', torch.zeros(channels))

    def forward(
        self,
        student: Tensor,
        teacher: Tensor,
        teacher_temp: float,
        teacher_mean: Tensor,
        weight: Tensor | None = None,
    ) -> Tensor:
        """The loss under the centre as it is; then the centre moves.

        Args:
            student, teacher, teacher_temp, weight: see :func:`self_distillation`.
            teacher_mean: (K,) mean of the teacher's outputs on this device, over all
                the tokens that the centre is meant for.
        """
        loss = self_distillation(
            student,
            teacher,
            self.center.clone(),
            self.student_temp,
            teacher_temp,
            weight,
            self.reduction,
        )
        if student.shape[1]:  # nothing distilled, nothing seen
            self.update_center(teacher_mean)
        return loss

    @torch.no_grad()
    def update_center(self, mean: Tensor) -> None:
        """``c ← m c + (1 − m) mean``, the mean averaged over all processes."""
        mean = mean.detach().float().clone()
        all_reduce(mean, op='mean')
        self.center.lerp_(mean, 1 - self.momentum)
