# Licensed under Apache-2.0.
"""How labels are said: a labeler's config, or the short options for one.

The one place where ``refine``, ``bkg_thr``, ``alpha``, ``preset``, ``unary`` and
``num_classes`` of command lines, stages and settings become a config of ``LABELERS``.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmwsss.labelers.labeler import Labeler
from mmwsss.labelers.refiners.refiner import refiner_names
from mmwsss.registry import LABELERS, class_of

#: ways to a mask that are no refiner's name
WAYS = ('own', 'none', 'seeds', 'rw')


def refine_names() -> tuple[str, ...]:
    """What ``refine`` may be: a way to a mask, or a registered refiner."""
    return (*WAYS, *refiner_names())


def check_refine(refine: str) -> None:
    """Refuse a ``refine`` that is neither a way nor a registered refiner."""
    if refine not in refine_names():
        raise ValueError(f'refine must be one of {refine_names()}, got {refine!r}')


def refiner_cfg(
    refine: str,
    preset: str | None = None,
    unary: str | None = None,
    num_classes: int | None = None,
) -> dict[str, Any]:
    """The config of a refiner of maps at the size of their pictures.

    Args:
        refine: name of a registered refiner. PAR then sees the pictures as they are.
        preset, unary: of a dense CRF.
        num_classes: labels that a CRF on hard labels counts.
    """
    if refine in ('par', 'PAR'):
        return dict(type='PAR', downscale=1, whole_levels=False)
    given: dict[str, Any] = dict(preset=preset, unary=unary)
    if unary == 'labels':
        given['num_labels'] = num_classes
    found = {key: value for key, value in given.items() if value is not None}
    return dict(type='DenseCRF' if refine == 'crf' else refine, **found)


def labeler_cfg(
    bkg_thr: Sequence[float] = (),
    alpha: float | None = None,
    refiner: Mapping[str, Any] | None = None,
    seeds: bool = False,
) -> dict[str, Any]:
    """The config of the labeler that the short options stand for.

    Args:
        bkg_thr: background of the CAMs: one constant; two, the low one first, between
            which a pixel is ignored; of seeds the background's, then the foreground's.
        alpha: background (1 - max CAM)^alpha instead.
        refiner: config of the refiner, or ``None``.
        seeds: whether seeds of an affinity stage are meant.

    Raises:
        ValueError: unless it is said what the background is.
    """
    given = {} if refiner is None else dict(refiner=dict(refiner))
    constants = tuple(map(float, bkg_thr))
    if (alpha is None) == (not constants) or len(constants) > 2:
        raise ValueError(
            'CAMs have no background: give one or two constants bkg_thr, or the '
            f'exponent alpha; got bkg_thr={constants}, alpha={alpha}'
        )
    if seeds:
        background, foreground = constants
        return dict(type='SeedLabeler', fg_thr=foreground, bg_thr=background, **given)
    if alpha is not None:
        return dict(type='BackgroundPowerLabeler', alpha=alpha, **given)
    if len(constants) == 1:
        return dict(type='ThresholdLabeler', bkg_thr=constants[0], **given)
    low, high = constants  # in this order, which the labeler checks
    return dict(type='TwoThresholdLabeler', low_thr=low, high_thr=high, **given)


def build_labeler(cfg: Mapping[str, Any]) -> Labeler:
    """Build a labeler; what doesn't go together is refused here.

    Raises:
        ValueError: naming what is wrong.
    """
    if not isinstance(cfg, Mapping) or 'type' not in cfg:
        raise ValueError(f"labeler must be dict(type='...', ...), got {cfg!r}")
    if class_of(cfg['type'], LABELERS) is None:
        raise ValueError(
            f'there is no labeler {cfg["type"]!r}; registered are '
            f'{sorted(LABELERS.module_dict)}'
        )
    try:
        return LABELERS.build(dict(cfg))
    except (TypeError, KeyError) as err:  # a setting that it hasn't, an unknown refiner
        raise ValueError(f'labeler={dict(cfg)} cannot be built: {err}') from err


def without_side_inputs(
    labeler: Labeler, fix: str, given: Collection[str] = ()
) -> Labeler:
    """A labeler that needs no more than pictures, a folder of maps and what is given.

    Args:
        labeler: the rule.
        fix: what to do instead.
        given: side inputs that there are.

    Raises:
        ValueError: if it needs other side inputs, or not those that are given.
    """
    name = type(labeler).__name__
    if set(labeler.side_inputs) - set(given):
        raise ValueError(
            f'{name} needs {labeler.side_inputs}, which a folder of maps does not '
            f'have: {fix}'
        )
    spare = sorted(set(given) - set(labeler.side_inputs))
    if spare:
        raise ValueError(
            f'{name} reads no {spare[0]}: leave them out, or set another labeler '
            "(type='SegmentVote', 'SegmentMerge')"
        )
    return labeler


def read_segments_entry(text: str | Mapping[str, Any]) -> dict[str, Any]:
    """The declaration of segments as a command line says it.

    Args:
        text: a folder, or ``dict(dir=FOLDER, overlap=..., ...)`` with settings of
            :class:`.SegmentsKind`; relative to the working directory.

    Returns:
        An entry of a data set's ``side_inputs``.

    Raises:
        ValueError: if it is neither.
    """
    found: Any = text
    if isinstance(text, str):
        literal = text.strip().startswith(('dict(', '{'))
        found = _dict_of(text) if literal else dict(dir=text)
    if not isinstance(found, Mapping) or not isinstance(found.get('dir'), str):
        raise ValueError(
            "segments must be a folder, or dict(dir='FOLDER', overlap='...', ...), got "
            f'{text!r}'
        )
    return dict(kind='segments', root='.') | dict(found)


def read_labeler(text: str) -> dict[str, Any]:
    """A labeler's config as a command line says it.

    Args:
        text: ``dict(type='ThresholdLabeler', bkg_thr=0.3)``, the name of a labeler
            without settings, or a Python config with an entry ``labeler``.

    Raises:
        ValueError: if it is none of these.
    """
    if text.endswith('.py') and Path(text).is_file():
        found = Config.fromfile(text).to_dict().get('labeler')
        if found is None:
            raise ValueError(f'{text} has no entry labeler=dict(type=...)')
        return found
    if text.isidentifier():
        return dict(type=text)
    found = _dict_of(text)
    if not isinstance(found, dict) or 'type' not in found:
        raise ValueError(
            "labeler must be dict(type='...', ...), the name of a labeler or a .py "
            f'config with labeler=..., got {text!r}'
        )
    return found


def _dict_of(text: str) -> Any:
    """The value of a text of literals and ``dict(...)``; ``None`` if it is another."""
    try:
        return _literal(ast.parse(text, mode='eval').body)
    except (SyntaxError, ValueError):
        return None


def _literal(node: ast.expr) -> Any:
    """The value of literals, lists and ``dict(...)``; nothing else is evaluated."""
    if isinstance(node, ast.Call):
        named = isinstance(node.func, ast.Name) and node.func.id == 'dict'
        if not named or node.args or any(key.arg is None for key in node.keywords):
            raise ValueError(ast.unparse(node))
        return {str(key.arg): _literal(key.value) for key in node.keywords}
    if isinstance(node, ast.List | ast.Tuple):
        items = [_literal(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Dict):
        if None in node.keys:
            raise ValueError(ast.unparse(node))
        keys = [_literal(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(_literal, node.values), strict=True))
    return ast.literal_eval(node)


def labeler_text(value: Any) -> str:
    """A config as :func:`read_labeler` reads it, with ``dict(...)``."""
    if isinstance(value, Mapping):
        return f'dict({", ".join(f"{k}={labeler_text(v)}" for k, v in value.items())})'
    if isinstance(value, list):
        return f'[{", ".join(map(labeler_text, value))}]'
    return repr(value)
