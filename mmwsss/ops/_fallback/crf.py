# Licensed under Apache-2.0.
"""The mean-field updates of the dense CRF in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from .filter import add_filtered

__all__ = ['LATTICE_TENSORS', 'AddMessage', 'apply_compat', 'mean_field', 'update_q']

LATTICE_TENSORS = 6
AddMessage = Callable[[Tensor, Tensor], object]


def mean_field(
    unary: Tensor,
    lattices: Sequence[Tensor],
    compats: Sequence[Tensor],
    iter_max: int,
    log_count: Tensor | None,
) -> Tensor:
    """:func:`update_q` with terms on lattices.

    Args:
        unary: See :func:`update_q`.
        lattices: Six tensors for each term, normalised.
        compats: For each term (0,) if its weight is part of the lattice, else
            (n,) or (n, n), see :func:`apply_compat`.
        iter_max: See :func:`update_q`.
        log_count: See :func:`update_q`.
    """
    size = LATTICE_TENSORS
    terms = [
        partial(_add_lattice_message, tuple(lattices[size * i : size * i + size]), c)
        for i, c in enumerate(compats)
    ]
    return update_q(unary, terms, iter_max, log_count)


def update_q(
    unary: Tensor,
    terms: Sequence[AddMessage],
    iter_max: int,
    log_count: Tensor | None,
) -> Tensor:
    """The updates on rows (B * P, n), labels innermost; gives (B, n, H, W).

    Args:
        unary: (B, n, H, W) float32 or float64.
        terms: Functions (logits, Q) that add a term's message to the logits.
        iter_max: Number of updates.
        log_count: (n,), logarithm of the number of labels that a row stands
            for, or None.
    """
    batch, labels, height, width = unary.shape
    # A reshape alone may stay a transposed view.
    bias = unary.permute(0, 2, 3, 1).reshape(-1, labels).contiguous().neg()
    share = None
    if log_count is not None:
        # A row that stands for r labels: r in the sum, the result of one.
        bias += log_count
        share = (-log_count).exp()
    # Two buffers for all updates: large allocations cost more than they hold.
    logits, rows = bias.clone(), torch.empty_like(bias)
    for update in range(iter_max + 1):
        if update:
            logits.copy_(bias)
            for add_message in terms:
                add_message(logits, rows)
        torch.softmax(logits, dim=1, out=rows)
        if share is not None:
            rows *= share
    grid = rows.view(batch, height, width, labels)
    return grid.permute(0, 3, 1, 2).contiguous()


def apply_compat(message: Tensor, compat: Tensor) -> Tensor:
    """(..., n) filtered marginals times weights (n,) or a matrix (n, n).

    Row l of the matrix holds what each label's mass adds to label l.
    """
    return message * compat if compat.dim() == 1 else message @ compat.T


def _add_lattice_message(
    lattice: tuple[Tensor, ...], compat: Tensor, logits: Tensor, rows: Tensor
) -> None:
    if compat.numel() == 0:
        add_filtered(logits, lattice, rows)
    else:
        mass = add_filtered(torch.zeros_like(rows), lattice, rows)
        logits += apply_compat(mass, compat)
