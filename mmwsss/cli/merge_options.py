# Licensed under Apache-2.0.
"""Options of a command line, laid over a config."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmwsss.io.errors import UserError


def merge_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Lay options over a config.

    Raises:
        UserError: naming one that doesn't fit what the config has in its place.
    """
    before = copy.deepcopy(cfg)
    try:
        cfg.merge_from_dict(dict(options))
    except (TypeError, KeyError, AttributeError) as error:
        name = next(
            (name for name in options if not _fits(before, name)), [*options][0]
        )
        raise UserError(
            f'--cfg-options {name}={options[name]} does not fit the config, in which '
            f'{_deepest(before, name)}: see it by tools/misc/print_config.py'
        ) from error


def _fits(cfg: Config, name: str) -> bool:
    try:
        copy.deepcopy(cfg).merge_from_dict({name: None})
    except (TypeError, KeyError, AttributeError):
        return False
    return True


def _deepest(cfg: Config, name: str) -> str:
    """What a config has where the way to a setting ends."""
    node, way = cfg, []
    for part in name.split('.'):
        way.append(part)
        if isinstance(node, Sequence) and not isinstance(node, str):
            if not part.isdecimal() or int(part) >= len(node):
                return f'{".".join(way[:-1])} has {len(node)} entries, from 0 on'
            node = node[int(part)]
        else:
            node = node.get(part)
        if not isinstance(node, (Mapping, list, tuple)):
            return f'{".".join(way)} is {node!r}'
    return f'{".".join(way)} is a {type(node).__name__}'
