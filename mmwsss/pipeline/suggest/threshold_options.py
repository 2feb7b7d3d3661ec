# Licensed under Apache-2.0.
"""Where a config sets thresholds of class maps, and the options that replace them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from mmwsss.evaluation.threshold_hints import ThresholdHint
from mmwsss.evaluation.wsss_metric import WSSSMetric
from mmwsss.registry import name_of

#: entries of a config that hold thresholds of class maps
_ROOTS = ('model', 'labeler', 'val_evaluator', 'test_evaluator')
#: below these, maps are no longer those of the network
_OTHER_MAPS = ('walk',)
_EVALUATOR = inspect.signature(WSSSMetric).parameters


def thresholds_set(cfg: Config) -> dict[str, float]:
    """Dotted name → value of every threshold that :class:`ThresholdHint` knows.

    The background threshold that an evaluator scores CAMs with counts also where its
    default stands. Thresholds for maps that have walked are left out.
    """
    return {
        path: value
        for root in _ROOTS
        if cfg.get(root) is not None
        for path, value in _below(root, cfg[root])
    }


def _below(path: str, node: Any) -> Iterator[tuple[str, float]]:
    if isinstance(node, (list, tuple)):
        for index, entry in enumerate(node):
            yield from _below(f'{path}.{index}', entry)
    if not isinstance(node, Mapping) or any(key in node for key in _OTHER_MAPS):
        return
    if name_of(node.get('type', '')) == WSSSMetric.__name__:
        yield (
            f'{path}.bkg_thr',
            float(node.get('bkg_thr', _EVALUATOR['bkg_thr'].default)),
        )
        return
    for key, value in node.items():
        if key in ThresholdHint._fields and isinstance(value, (int, float)):
            yield f'{path}.{key}', float(value)
        else:
            yield from _below(f'{path}.{key}', value)


def options_of(cfg: Config, hint: ThresholdHint) -> list[str]:
    """``KEY=VALUE`` of ``--cfg-options`` that put a hint in the config's place."""
    return [
        f'{path}={getattr(hint, path.rpartition(".")[2]):g}'
        for path in thresholds_set(cfg)
    ]
