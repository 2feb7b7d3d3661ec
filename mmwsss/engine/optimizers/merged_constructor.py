# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from mmwsss.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MergedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor with one group per distinct setting.

    The default one makes a group of every parameter, which keeps AdamW from updating
    many tensors in one launch and makes the log unreadable. The settings
    (``paramwise_cfg``) and the values are the same.
    """

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '',
                   **kwargs: Any) -> None:
        """Collect the groups; those that are alike are merged at the top level."""
        super().add_params(params, module, prefix=prefix, **kwargs)
        if prefix == '':
            params[:] = merge_groups(params)
            for group in params:
                size = sum(p.numel() for p in group['params'])
                options = {k: v for k, v in group.items() if k != 'params'}
                print_log(f'optimizer group: {len(group["params"])} tensors, '
                          f'{size / 1e6:.3f} M parameters, {options or "defaults"}',
                          'current')


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
