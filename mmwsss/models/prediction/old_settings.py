# Licensed under Apache-2.0.
"""Settings as they were written before: translated, and said so once."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any

from mmengine.logging import print_log

from mmwsss.registry import MODELS, PRETRAINED, class_of, name_of

#: flat entry of ``test_cfg`` before → group and entry now
TEST_KEYS = {
    'squash': ('input', 'squash'),
    'resize_long': ('input', 'long_side'),
    'seg_scales': ('seg', 'scales'),
    'seg_flip': ('seg', 'mirror'),
    'seg_pair': ('seg', 'pair'),
    'seg_fuse': ('seg', 'fuse'),
    'seg_fuse_at': ('seg', 'fuse_at'),
    'cam_scales': ('cam', 'scales'),
    'cam_scale_one': ('cam', 'add_one'),
    'cam_pair': ('cam', 'pair'),
    'cam_normalise': ('cam', 'normalise'),
    'cam_fuse_at': ('cam', 'fuse_at'),
    'cam_multiple': ('cam', 'multiple'),
    'map_strides': ('cam', 'strides'),
    'pseudo_source': ('pseudo', 'source'),
    'low_thr': ('pseudo', 'low_thr'),
    'high_thr': ('pseudo', 'high_thr'),
}
TRAIN_KEYS = {'cam_scales': ('cam', 'scales')}
_said: set[str] = set()


def say_once(old: str, new: str) -> None:
    """Warn that a setting is written otherwise now; once a process."""
    if old not in _said:
        _said.add(old)
        message = f'{old} is written {new} now; it has been translated'
        print_log(message, logger='current', level=logging.WARNING)


def grouped(
    settings: Mapping[str, Any] | None, table: Mapping[str, tuple[str, str]], name: str
) -> dict[str, Any]:
    """Move flat entries into their groups, where they replace what stands there.

    Args:
        settings: as a config has them.
        table: flat entry → group and entry.
        name: of the settings, for the warning.

    Returns:
        New settings; a flat entry that is listed nowhere stays as it is.
    """
    given = dict(settings or {})
    for old, (group, entry) in table.items():
        if old in given:
            value = given.pop(old)
            given[group] = {**(given.get(group) or {}), entry: value}
            say_once(f'{name}.{old}', f'{name}.{group}.{entry}')
    return given


def merged_test_cfg(
    base: Mapping[str, Any] | None, more: Mapping[str, Any] | None
) -> dict[str, Any]:
    """``test_cfg`` with the entries of another one; groups entry by entry.

    Args:
        base, more: as configs have them, grouped or flat.
    """
    merged = grouped(base, TEST_KEYS, 'model.test_cfg')
    for key, value in grouped(more, TEST_KEYS, 'test_cfg').items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = {**merged[key], **value} if both else value
    return merged


def backbone_cfg(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """``init_cfg`` of a backbone of ours is understood beside ``pretrained``.

    Ours read public files of several layouts, which mmengine's own loader doesn't.

    Args:
        backbone: config; ``init_cfg=dict(type='Pretrained', checkpoint=FILE)`` becomes
            ``pretrained=FILE`` where the backbone has such an argument.

    Raises:
        ValueError: if both are given.
    """
    backbone = dict(backbone)
    init, kind = backbone.get('init_cfg'), class_of(backbone['type'], MODELS)
    if not isinstance(init, Mapping) or kind is None:
        return backbone
    if name_of(init.get('type')) not in PRETRAINED:
        return backbone
    # each class's own arguments, since one may hand on what it doesn't name
    makers = [base.__init__ for base in inspect.getmro(kind)]  # type: ignore[misc]
    if not any('pretrained' in inspect.signature(m).parameters for m in makers):
        return backbone
    if backbone.get('pretrained') is not None:
        raise ValueError(
            f'the backbone has pretrained={backbone["pretrained"]!r} and init_cfg='
            f'{dict(init)}: leave one of them out'
        )
    backbone.pop('init_cfg')
    return backbone | dict(pretrained=init['checkpoint'])


def labeler_of(
    refine: Mapping[str, Any] | None,
    labeler: Mapping[str, Any] | None,
    train_cfg: dict[str, Any],
) -> dict[str, Any] | None:
    """The labeler of a config that may still name a ``refine`` with two thresholds.

    Args:
        refine: the refiner as it was written before, or ``None``.
        labeler: as it is written now, or ``None``.
        train_cfg: may hold ``low_thr`` and ``high_thr``, which belong to the labeler
            and are taken out.

    Raises:
        ValueError: if a config has both, as one does that changes a part of a base.
    """
    names = [n for n in ('low_thr', 'high_thr') if n in train_cfg]
    thresholds: dict[str, Any] = {name: train_cfg.pop(name) for name in names}
    if refine is not None:
        if labeler is not None or 'type' not in refine:
            raise ValueError(
                f'model.refine={dict(refine)}: refine is the refiner of the labeler '
                'now; write labeler=dict(refiner=dict(...)) instead'
            )
        say_once('model.refine', 'model.labeler.refiner')
        labeler = dict(
            type='TwoThresholdLabeler',
            low_thr=0.25,  # what prediction had where nothing was said
            high_thr=0.7,
            refiner=dict(refine),
        )
    if labeler is None and names:
        raise ValueError(
            f'model.train_cfg has {names}, which are thresholds of the labeler now, '
            'and the model has none: leave them out, or give labeler=dict(...)'
        )
    for name in names:
        say_once(f'model.train_cfg.{name}', f'model.labeler.{name}')
    return None if labeler is None else {**labeler, **thresholds}


def refuse_old_methods(cls: type) -> None:
    """Refuse a method of another package that overrides what isn't called any more.

    Raises:
        TypeError: naming what is to be overridden instead.
    """
    if 'view_cams' in vars(cls):
        raise TypeError(
            f'{cls.__name__}.view_cams(features) is not called any more: override '
            'view_maps(features, labels), which returns ClassMaps'
        )
