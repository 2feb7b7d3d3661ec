# Licensed under Apache-2.0.
"""Published files: the weights that a prediction reads, in half precision.

A published file says in its meta data which parts were left out on purpose, since only
training reads them. Whoever loads it for prediction may miss exactly these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .errors import UserError
from .plain import to_plain
from .provenance import KEY, without_places
from .weights import CheckpointMismatch, load_weights_strict, strip_prefix

#: key of the meta data: ``dict(dropped=[part, ...])``
PUBLISHED = 'published'
#: attribute of a model: the parts that its file lacks
ABSENT = 'absent_parts'
_META = ('iter', 'epoch', 'dataset_meta', 'mmengine_version', KEY)
#: few numbers, of a range that half precision doesn't have
_STATISTICS = ('running_mean', 'running_var')


def dropped_parts(checkpoint: Mapping[str, Any]) -> tuple[str, ...]:
    """Parts of the model that a published file lacks on purpose.

    Raises:
        UserError: if the file's meta data has something else in that place.
    """
    meta = checkpoint.get('meta')
    told = meta.get(PUBLISHED) if isinstance(meta, Mapping) else None
    parts = told.get('dropped') if isinstance(told, Mapping) else ()
    if not isinstance(parts, (list, tuple)) or not all(
        isinstance(part, str) and part for part in parts
    ):
        raise UserError(
            f"meta['{PUBLISHED}']['dropped'] of the checkpoint must list names of "
            f'parts, got {parts!r}: make the file anew with tools/misc/publish_model.py'
        )
    return tuple(parts)


def dropped_patterns(checkpoint: Mapping[str, Any]) -> tuple[str, ...]:
    """Regular expressions of the keys of :func:`dropped_parts`, and of no others."""
    return tuple(rf'^{re.escape(part)}(\.|$)' for part in dropped_parts(checkpoint))


def mark_absent(model: nn.Module, parts: Sequence[str]) -> None:
    """Tell the modules that own these parts that their weights were left out."""
    for module in model.modules() if parts else ():
        if any(part in module._modules or part in module._parameters for part in parts):
            setattr(module, ABSENT, tuple(parts))


def absent_parts(model: nn.Module) -> set[str]:
    """The parts of a model that :func:`mark_absent` told of."""
    return {part for m in model.modules() for part in getattr(m, ABSENT, ())}


def saved_classes(checkpoint: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The classes that a checkpoint was trained with, if it names them."""
    meta = checkpoint.get('meta')
    told = meta.get('dataset_meta') if isinstance(meta, Mapping) else None
    return tuple((told or {}).get('classes') or ()) or None


def compare_classes(
    saved: Sequence[str] | None, classes: Sequence[str] | None, source: str
) -> None:
    """Refuse a file whose classes have other names than the data's, or another order.

    Args:
        saved: the file's, see :func:`saved_classes`.
        classes: those of the data set, background first. ``None``, of either: not
            known. Another number is :func:`.compare_weights`' to refuse.
        source: file name for the message.

    Raises:
        CheckpointMismatch: Naming both.
    """
    if saved and classes and len(saved) == len(classes) and [*saved] != [*classes]:
        raise CheckpointMismatch(
            f'{source} was trained with the classes {list(saved)}, the data set '
            f'has {list(classes)}: give the data set these classes in that order.'
        )


def load_to_predict(
    model: nn.Module, checkpoint: Mapping[str, Any], source: str, **how: Any
) -> None:
    """Load a checkpoint strictly; of a published file, what it says it has.

    Args:
        model: the model.
        checkpoint: a bare state dict, or a dictionary that has one.
        source: file name for messages.
        **how: as for :func:`.load_weights_strict`.
    """
    missing = (*how.pop('allow_missing', ()), *dropped_patterns(checkpoint))
    state = checkpoint.get('state_dict', checkpoint)
    load_weights_strict(model, state, source, allow_missing=missing, **how)
    mark_absent(model, dropped_parts(checkpoint))


def published_checkpoint(
    checkpoint: Mapping[str, Any],
    drop: Iterable[str] = (),
    meta: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a published file holds.

    Args:
        checkpoint: what training saved, or a bare state dict.
        drop: parts to leave out (first components of keys, or more of them).
        meta: more to say in the meta data, plain.

    Returns:
        ``dict(meta=..., state_dict=...)`` of plain data: weights on the CPU,
        contiguous, in half precision; no optimizer, no log.

    Raises:
        UserError: if the file has no key of a part that is to be left out.
    """
    state = strip_prefix(checkpoint.get('state_dict', checkpoint))
    drop = list(drop)
    for part in drop:
        if not any(is_of_part(key, part) for key in state):
            raise UserError(
                f'the checkpoint has no part {part!r} to leave out; it has '
                f'{sorted({key.split(".")[0] for key in state})}'
            )
    weights = {
        key: halved(key, value)
        for key, value in state.items()
        if not any(is_of_part(key, part) for part in drop)
    }
    kept = {k: v for k, v in (checkpoint.get('meta') or {}).items() if k in _META}
    if KEY in kept:
        kept[KEY] = without_places(kept[KEY])
    told = {**kept, **(meta or {}), PUBLISHED: dict(dropped=drop)}
    return dict(meta=to_plain(told, 'meta'), state_dict=weights)


def halved(key: str, value: Tensor) -> Tensor:
    """A tensor on the CPU in half precision; what that can't hold stays as it is."""
    value = value.detach().cpu().contiguous().clone()
    if not value.is_floating_point() or key.endswith(_STATISTICS):
        return value
    half = value.to(torch.float16)
    return half if bool(torch.isfinite(half).all()) else value


def is_of_part(key: str, part: str) -> bool:
    """Whether a key of a state dict belongs to a part of the model."""
    return key == part or key.startswith(f'{part}.')
