# Licensed under Apache-2.0.
"""mmengine's data sets of data sets, which hand on the seed of an item."""

from __future__ import annotations

from typing import Any

from mmengine.dataset import ClassBalancedDataset as MMClassBalanced
from mmengine.dataset import ConcatDataset as MMConcat
from mmengine.dataset import RepeatDataset as MMRepeat
from torch.utils.data import ConcatDataset as TorchConcat
from torch.utils.data import Subset

from mmwsss.registry import DATASETS

from .seeding import seed_everything


class SeededItems:
    """An item is asked for by its index or by ``(index, seed)``.

    mmengine's wrappers count with the index, so that the seed is used up here, before
    the inner data set is asked: the augmentation then depends on nothing but the seed.
    """

    def __getitem__(self, index: int | tuple[int, int]) -> Any:
        """One item; see the data sets inside."""
        if isinstance(index, (tuple, list)):
            index, seed = index
            seed_everything(seed)
        return super().__getitem__(index)  # type: ignore[misc]


@DATASETS.register_module()
class ConcatDataset(SeededItems, MMConcat):
    """mmengine's ``ConcatDataset``, for :class:`.SeededInfiniteSampler` too."""


@DATASETS.register_module()
class RepeatDataset(SeededItems, MMRepeat):
    """mmengine's ``RepeatDataset``, for :class:`.SeededInfiniteSampler` too."""


@DATASETS.register_module()
class ClassBalancedDataset(SeededItems, MMClassBalanced):
    """mmengine's ``ClassBalancedDataset``, for :class:`.SeededInfiniteSampler` too.

    It asks the data set for ``get_cat_ids``, which ours don't have: what they want is
    ``class_balanced`` of the sampler.
    """


def refuse_unseeded(dataset: Any) -> None:
    """Refuse a wrapper that would take ``(index, seed)`` for an index.

    Raises:
        ValueError: naming what to use instead.
    """
    wrappers = (TorchConcat, Subset, MMRepeat, MMClassBalanced)
    if isinstance(dataset, wrappers) and not isinstance(dataset, SeededItems):
        kind = type(dataset)
        raise ValueError(
            f'{kind.__module__}.{kind.__name__} takes bare indices, no (index, seed): '
            "use mmwsss's own ConcatDataset, RepeatDataset or ClassBalancedDataset "
            f"(type='{kind.__name__}' with default_scope='mmwsss'), or sampler="
            'dict(with_seed=False), with which a resumed run draws other augmentations'
        )
