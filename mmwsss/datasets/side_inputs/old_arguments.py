# Licensed under Apache-2.0.
"""Arguments that data sets had before side inputs had one declaration."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from .declaration import MASK

#: old argument → its place in ``side_inputs`` and what else stands there
OLD_ARGUMENTS: dict[str, tuple[str, str, dict[str, str]]] = dict(
    sal_dir=('saliency', 'dir', dict(kind='grey')),
    sal_suffix=('saliency', 'suffix', dict(kind='grey')),
    fused_dir=('fused', 'dir', dict(kind='maps', root='.')),
    mask_dir=(MASK, 'dir', dict(kind='ids', root='.')),
)


def translate(
    side_inputs: Mapping[str, Any] | None,
    settings: dict[str, Any],
    mask_suffix: str | None = None,
) -> dict[str, Any]:
    """Side inputs with those that old arguments name; warns once, with the new keys.

    An old argument wins over the declaration: it comes from a config or an option that
    was laid over it. Folders keep what they were relative to: ``sal_dir`` to
    ``data_root``, the others to the working directory (``root='.'``).

    Args:
        side_inputs: as the config has them.
        settings: arguments of the data set; the old ones are taken out.
        mask_suffix: ``seg_map_suffix`` of the data set, which ``mask_dir`` went by.
    """
    declared = dict(side_inputs or {})
    given = {key: settings.pop(key) for key in OLD_ARGUMENTS if key in settings}
    if not given:
        return declared
    for key, value in given.items():
        name, place, rest = OLD_ARGUMENTS[key]
        if place == 'dir':
            kept = declared.get(name) or {}
            suffix = {k: kept[k] for k in ('suffix',) if k in kept}
            declared[name] = None if not value else {'dir': value, **rest, **suffix}
        elif declared.get(name):
            declared[name] = {**declared[name], place: value}
    if given.get('mask_dir') and mask_suffix:
        declared[MASK]['suffix'] = mask_suffix
    new = [f'{key} → side_inputs.{OLD_ARGUMENTS[key][0]}' for key in given]
    names = [OLD_ARGUMENTS[key][0] for key in given]
    wanted = {name: declared.get(name) for name in names}
    warnings.warn(
        f'old arguments of a data set ({", ".join(new)}): write '
        f'side_inputs={wanted} instead',
        FutureWarning,
        stacklevel=3,
    )
    return declared
