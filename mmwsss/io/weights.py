# Licensed under Apache-2.0.
"""Comparison of a state dict with a model before anything is loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from .errors import UserError

_ALWAYS_OPTIONAL = (r'num_batches_tracked$',)
_LIST_LIMIT = 3
FIX = 'use the config that the file was made with'


class CheckpointMismatch(UserError):
    """A state dict does not fit the model."""


def strip_prefix(
    state_dict: Mapping[str, Tensor], prefix: str = 'module.'
) -> dict[str, Tensor]:
    """Drop ``prefix`` (what DDP adds) from the keys that have it."""
    return {k.removeprefix(prefix): v for k, v in state_dict.items()}


def compare_weights(
    model: nn.Module,
    state_dict: Mapping[str, Tensor],
    source: str = 'the checkpoint',
    allow_missing: Sequence[str] = (),
    allow_unexpected: Sequence[str] = (),
    fix: str = FIX,
) -> None:
    """Check that ``state_dict`` fits ``model`` in keys and shapes.

    Args:
        model: The model; ``model.num_classes``, when there, lets the message name
            a class count that differs.
        state_dict: Weights by key, with or without the prefix ``module.``.
        source: File name for the message.
        allow_missing: Regular expressions (searched) of model keys that the file
            may lack.
        allow_unexpected: Regular expressions of file keys that the model may lack.
        fix: What to do, for the message.

    Raises:
        CheckpointMismatch: With the list of keys and the likely fix.
    """
    given = strip_prefix(state_dict)
    refuse_not_finite(given, source)
    _ask_parts(model, given, source)
    own = model.state_dict()
    optional = (*_ALWAYS_OPTIONAL, *allow_missing)
    missing = [k for k in own if k not in given and not _matches(k, optional)]
    spare = (*_ALWAYS_OPTIONAL, *allow_unexpected)
    extra = [k for k in given if k not in own and not _matches(k, spare)]
    wrong = [k for k, v in given.items() if k in own and v.shape != own[k].shape]
    if not (missing or extra or wrong):
        return
    lines = [f'{source} does not fit the model {type(model).__name__}.']
    lines += _class_count_lines(model, given, own, wrong)
    lines += _width_lines(given, own, wrong)
    lines += _listing(
        'different shape',
        [
            f'{k}: file {tuple(given[k].shape)}, model {tuple(own[k].shape)}'
            for k in wrong
        ],
    )
    lines += _listing('missing in the file', missing)
    lines += _listing('unknown to the model', extra)
    if not set(given) & set(own):
        lines.append(
            'Not one key agrees: it belongs to another model, or needs a '
            'converter (tools/model_converters).'
        )
    else:
        lines.append(f'Fix: {fix}.')
    raise CheckpointMismatch('\n'.join(lines))


def _ask_parts(model: nn.Module, given: Mapping[str, Tensor], source: str) -> None:
    """A part that knows better what is wrong with its weights says so itself.

    It has a method ``refuse_weights(own, source)``, which gets them by its own names.
    """
    for name, part in model.named_modules():
        refuse = getattr(part, 'refuse_weights', None)
        if callable(refuse):
            prefix = f'{name}.' if name else ''
            refuse(
                {
                    k.removeprefix(prefix): v
                    for k, v in given.items()
                    if k.startswith(prefix)
                },
                source,
            )


def refuse_not_finite(state: Mapping[str, Tensor], source: str) -> None:
    """Refuse weights that hold NaN or infinite values, as of a training that diverged.

    Raises:
        CheckpointMismatch: Naming the first tensor, and how many others there are.
    """
    wrong = [
        key
        for key, value in state.items()
        if isinstance(value, Tensor)
        and value.is_floating_point()
        and not bool(value.isfinite().all())
    ]
    if wrong:
        raise CheckpointMismatch(
            f'{source} holds NaN or infinite values in {wrong[0]} and {len(wrong) - 1} '
            'other tensors: its training has diverged, take an earlier checkpoint.'
        )


def load_weights_strict(
    model: nn.Module,
    state_dict: Mapping[str, Tensor],
    source: str = 'the checkpoint',
    allow_missing: Sequence[str] = (),
    allow_unexpected: Sequence[str] = (),
    fix: str = FIX,
) -> None:
    """Load weights after :func:`compare_weights`; arguments as there."""
    compare_weights(model, state_dict, source, allow_missing, allow_unexpected, fix)
    model.load_state_dict(strip_prefix(state_dict), strict=False)


def _matches(key: str, patterns: Sequence[str]) -> bool:
    return any(re.search(p, key) for p in patterns)


def _class_count_lines(
    model: nn.Module,
    given: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    wrong: Sequence[str],
) -> list[str]:
    """Name the class count of the file where only that differs."""
    classes = getattr(model, 'num_classes', None)
    if classes is None:
        return []
    for key in wrong:
        file_shape, shape = given[key].shape, own[key].shape
        if not shape or file_shape[1:] != shape[1:] or not file_shape:
            continue
        offset = classes - shape[0]  # 0: with background, 1: foreground only
        if offset in (0, 1):
            lines = [
                f'It was made for {file_shape[0] + offset} classes (background '
                f'included), the model has num_classes={classes}: choose the '
                "config of the file's dataset, or set num_classes and the dataset "
                'to agree.'
            ]
            if file_shape[0] == shape[0] + (1 if offset else -1):
                lines.append(
                    f'Or one of them has a channel for the background in {key} and '
                    'the other has none (as EPS and a plain classifier): choose the '
                    "config of the file's method."
                )
            return lines
    return []


def _width_lines(
    given: Mapping[str, Tensor], own: Mapping[str, Tensor], wrong: Sequence[str]
) -> list[str]:
    """Name the widths of both where they differ in most tensors: another backbone."""
    norms = [k for k in wrong if given[k].dim() == own[k].dim() == 1]
    if 2 * len(wrong) < len(own) or not norms:
        return []
    widths = len(given[norms[0]]), len(own[norms[0]])
    return [
        f'The file is of a network of width {widths[0]}, the model has {widths[1]}: '
        'choose the config of its backbone.'
    ]


def _listing(title: str, rows: Sequence[str]) -> list[str]:
    if not rows:
        return []
    shown = [f'    {row}' for row in rows[:_LIST_LIMIT]]
    if len(rows) > _LIST_LIMIT:
        shown.append(f'    ... and {len(rows) - _LIST_LIMIT} more')
    return [f'  {title} ({len(rows)}):', *shown]
