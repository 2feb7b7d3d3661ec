# Licensed under Apache-2.0.
"""Batch norm behind a global pooling has nothing to normalise in a batch of one."""

from __future__ import annotations

from typing import Any

from mmengine.dist import get_world_size
from torch import nn

from mmwsss.io.errors import UserError

_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def refuse_batch_of_one(model: nn.Module, runner: Any) -> None:
    """Refuse a training that would stop in a batch norm of a single value.

    Args:
        model: without wrapper.
        runner: with its data loader of training.

    Raises:
        UserError: Naming the module, and how many pictures the smallest batch has.
    """
    if smallest_batch(runner.train_dataloader) > 1:
        return
    name = norm_of_one_value(model)
    synced = get_world_size() > 1
    if name is not None and not (synced and has_sync_norm(model)):
        raise UserError(
            f'{name} pools a picture to one value and batch norm follows, which needs '
            'more than one picture, but the smallest batch of the training has one: '
            'set train_dataloader.batch_size=2 or more (and drop_last=True where the '
            "last batch is smaller), or norm_cfg=dict(type='GN', num_groups=32) there"
        )


def smallest_batch(loader: Any) -> int:
    """Pictures of the smallest batch that a data loader gives."""
    size = getattr(loader, 'batch_size', None)
    if size is None:
        return 2  # batches of a sampler of its own
    try:
        count = len(loader.sampler)
    except TypeError:  # without end
        return size
    rest = 0 if loader.drop_last else count % size
    return rest or size


def norm_of_one_value(model: nn.Module) -> str | None:
    """Name of the first module with a batch norm behind a pooling to one value."""
    for name, module in model.named_modules():
        if not isinstance(module, nn.Sequential):
            continue
        parts = [part for child in module for part in child.modules()]
        pools = [i for i, part in enumerate(parts) if _to_one(part)]
        norms = [i for i, part in enumerate(parts) if isinstance(part, _NORMS)]
        if pools and norms and max(norms) > min(pools):
            return name
    return None


def has_sync_norm(model: nn.Module) -> bool:
    """Whether norms share their statistics over processes."""
    return any(isinstance(part, nn.SyncBatchNorm) for part in model.modules())


def _to_one(part: nn.Module) -> bool:
    if not isinstance(part, _POOLS):
        return False
    size = part.output_size
    return size == 1 or (isinstance(size, (tuple, list)) and set(size) == {1})
