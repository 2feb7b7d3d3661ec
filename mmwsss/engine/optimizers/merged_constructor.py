# Licensed under Apache-2.0.
from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.logging import MMLogger, print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from mmwsss.io.errors import UserError
from mmwsss.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MergedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor with one group per distinct setting.

    The default one makes a group of every parameter, which keeps AdamW from updating
    many tensors in one launch and makes the log unreadable. The settings
    (``paramwise_cfg``) and the values are the same.
    """

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs: Any
    ) -> None:
        """Collect the groups; those that are alike are merged at the top level."""
        if prefix:
            super().add_params(params, module, prefix=prefix, **kwargs)
            return
        with _quiet():  # mmengine logs three lines for every tensor
            super().add_params(params, module, prefix=prefix, **kwargs)
        params[:] = merge_groups(params)
        log_groups(params, module)
        if not any(p.requires_grad for group in params for p in group['params']):
            raise UserError(
                f'{type(module).__name__} of this config has nothing to train: its '
                'checkpoint is there already, for tools/generate_pseudo_labels.py and '
                'tools/test.py'
            )


def log_groups(groups: list[dict], module: nn.Module) -> None:
    """One line of the log for each group, and for what isn't trained."""
    for group in groups:
        options = {k: v for k, v in group.items() if k != 'params'}
        trained = [p for p in group['params'] if p.requires_grad]
        if trained:
            print_log(_line(trained, str(options or 'default settings')), 'current')
    frozen = [p for p in module.parameters() if not p.requires_grad]
    if frozen:
        print_log(_line(frozen, 'not trained'), 'current')


def _line(tensors: list[nn.Parameter], text: str) -> str:
    millions = sum(p.numel() for p in tensors) / 1e6
    return f'optimizer: {len(tensors)} tensors, {millions:.3f} M values: {text}'


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the current logger says below ERROR."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def merge_groups(groups: list[dict]) -> list[dict]:
    """Join optimizer groups that agree in everything but their parameters.

    Args:
        groups: Optimizer groups; order is kept by first appearance.

    Returns:
        New groups, as few as there are distinct settings.
    """
    merged: dict[tuple, dict] = {}
    for group in groups:
        options = {k: v for k, v in group.items() if k != 'params'}
        key = tuple(sorted((k, repr(v)) for k, v in options.items()))
        merged.setdefault(key, {**options, 'params': []})
        merged[key]['params'] += group['params']
    return list(merged.values())
