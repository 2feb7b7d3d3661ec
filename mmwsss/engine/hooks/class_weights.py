# Licensed under Apache-2.0.
"""Losses that weigh classes by how many training images have them."""

from __future__ import annotations

from typing import Any

from torch import nn

from mmwsss.io.errors import UserError

from .data_report import data_of, data_sets_in


def tell_class_counts(runner: Any, model: nn.Module) -> None:
    """Tell the losses that wait for it how many training images each class has.

    Every process counts its own copy of the labels, so that all have the same weights.

    Raises:
        UserError: if the training data has no image labels that could be counted.
    """
    waiting = {
        name: module
        for name, module in model.named_modules()
        if getattr(module, 'waits_for_counts', False)
    }
    if not waiting:
        return
    parts = list(data_sets_in(data_of(runner._train_loop)))
    if not parts:
        raise UserError(
            f"pos_weight='balanced' of {', '.join(waiting)} needs training data with "
            'image labels: give a number for each class instead'
        )
    summaries = [part.summary(look=False) for part in parts]
    counts = sum(found.counts for found in summaries).tolist()
    device = next(model.parameters()).device
    for name, module in waiting.items():
        weights = module.use_class_counts(counts, device)
        told = [
            f'{c} ({count} pictures) {weight:.2f}'
            for c, count, weight in zip(summaries[0].classes, counts, weights)
        ]
        runner.logger.info(f'{name}: images that hold a class weigh {", ".join(told)}')
