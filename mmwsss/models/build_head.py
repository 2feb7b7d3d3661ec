# Licensed under Apache-2.0.
"""Heads take the width of what they read from the backbone."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import nn

from mmwsss.io.errors import UserError
from mmwsss.registry import MODELS


def build_head(
    cfg: Mapping[str, Any] | None, backbone: nn.Module, name: str, **settings: Any
) -> Any:
    """Build a head that reads the maps of a backbone, see :func:`with_width`.

    Args:
        cfg: config of the head; ``None``: there is none.
        backbone: built.
        name: of the head, for errors.
        **settings: laid over ``cfg``.

    Returns:
        The head, or ``None``.

    Raises:
        UserError: if a named width isn't that of the maps, or none is known.
    """
    return cfg and MODELS.build({**with_width(cfg, backbone, name), **settings})


def with_width(
    cfg: Mapping[str, Any], backbone: nn.Module, name: str
) -> Mapping[str, Any]:
    """A head's config with ``in_channels``, the width of the maps at its ``in_index``.

    Args:
        cfg: config of the head.
        backbone: built; ``map_widths`` are the channels of its maps, final last.
        name: of the head, for errors.

    Raises:
        UserError: if a named width isn't that of the maps, or none is known.
    """
    kind = cfg.get('type')
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    widths = tuple(getattr(backbone, 'map_widths', ()))
    if not (kind and _takes_width(kind)):
        return cfg
    named = cfg.get('in_channels')
    if not widths and named is None:
        raise UserError(
            f'{name} names no in_channels, and {type(backbone).__name__} does not say '
            f'how wide its maps are (map_widths): set model.{name}.in_channels'
        )
    if not widths:
        return cfg
    found = width_read(kind, cfg, widths)
    if named is not None and _listed(named) != _listed(found):
        raise UserError(
            f'model.{name}.in_channels={named}, but the maps that it reads of '
            f'{type(backbone).__name__} have {found} channels: leave in_channels out, '
            'it is taken from the backbone'
        )
    return {**cfg, 'in_channels': found}


def width_read(
    kind: type, cfg: Mapping[str, Any], widths: Sequence[int]
) -> int | list[int]:
    """Channels of the map that a head reads, or of each of several.

    Args:
        kind: class of the head. Its own default of ``in_index`` counts where ``cfg``
            has none: ``None`` is all maps; without that argument it is the final map.
        cfg: config of the head.
        widths: channels of all maps.

    Raises:
        UserError: if there is no such map.
    """
    own = inspect.signature(kind).parameters.get('in_index')
    index = cfg.get('in_index', -1 if own is None else own.default)
    try:
        if index is None:
            return list(widths)
        if isinstance(index, Sequence):
            return [widths[i] for i in index]
        return widths[index]
    except IndexError as error:
        raise UserError(
            f'{kind.__name__} reads the map in_index={index} of a backbone that gives '
            f'{len(widths)}'
        ) from error


def _takes_width(kind: type) -> bool:
    """Whether a head has ``in_channels``; mmseg's hand it on unnamed."""
    named = 'in_channels' in inspect.signature(kind).parameters
    return named or (inspect.isclass(kind) and issubclass(kind, BaseDecodeHead))


def _listed(width: int | Sequence[int]) -> list[int]:
    return list(width) if isinstance(width, Sequence) else [width]
