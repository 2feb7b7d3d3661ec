# Licensed under Apache-2.0.
"""Labels that may mean something else than the classes that they seem to be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from mmwsss.io.errors import UserError
from mmwsss.io.findings import Findings
from mmwsss.io.wording import setting

from .readers.vocabulary import name_key, spelling_key

#: how inspections call what has no defect, without blanks, ``_`` and ``-``
_NOTHING = frozenset(
    (
        *('ok', 'okay', 'io', 'pass', 'passed', 'clean', 'healthy', 'intact', 'empty'),
        *('undamaged', 'faultless', 'nothing', 'nodefect', 'nodefects', 'defectfree'),
        *('nofinding', 'nofindings', 'noanomaly', 'anomalyfree', 'nominal', 'gut'),
    )
)
_NOT = ('no', 'non', 'not', 'without', 'ohne', 'kein')
#: what may stand between several labels in one
_BETWEEN = re.compile(r'\s*[+/&;|,]\s*|\s+(?:and|und)\s+|\s+')
#: labels that a message names
_TOLD = 5


def refuse_doubtful(
    found: Sequence[str],
    labels: Mapping[str, int],
    findings: Findings,
    negatives_given: bool = False,
) -> None:
    """Refuse labels of which nobody knows whether they are classes.

    Args:
        found: labels that don't mean "no object", sorted.
        labels: all labels, each with its number of pictures.
        findings: gets what is refused.
        negatives_given: whether somebody has said which labels mean "no object".
    """
    checks: list[Callable[[Sequence[str], Mapping[str, int]], None]] = [
        _refuse_alike,
        _refuse_yes_and_no,
        _refuse_several_in_one,
    ]
    if not negatives_given:
        checks.append(_refuse_nothing)
    for check in checks:
        with findings.noted():
            check(found, labels)


def _counted(names: Sequence[str], labels: Mapping[str, int]) -> str:
    told = ', '.join(f'{name!r} ({labels[name]} pictures)' for name in names[:_TOLD])
    more = len(names) - _TOLD
    return told + (f' and {more} more' if more > 0 else '')


def _refuse_alike(found: Sequence[str], labels: Mapping[str, int]) -> None:
    """Refuse classes of one spelling key."""
    alike: dict[str, list[str]] = {}
    for name in found:
        alike.setdefault(spelling_key(name), []).append(name)
    twice = [names for names in alike.values() if len(names) > 1]
    if twice:
        told = '; '.join(_counted(names, labels) for names in twice)
        raise UserError(
            f'labels look like one class in several spellings: {told}. Write them '
            f'alike{_by_renaming(twice, labels)}, or name all classes in '
            f'{setting("metainfo.classes")} if they are different ones'
        )


def _by_renaming(twice: Sequence[Sequence[str]], labels: Mapping[str, int]) -> str:
    """The option that writes labels as most are; '' where whoever asks has none."""
    most = [(names, max(names, key=lambda name: labels[name])) for names in twice]
    pairs = {name: one for names, one in most for name in names if name != one}
    option = setting('rename', pairs)
    return f' ({option})' if option.startswith('-') else ''


def _refuse_yes_and_no(found: Sequence[str], labels: Mapping[str, int]) -> None:
    """Refuse 0 and 1, or 1 and -1, as two classes: a class would be "not there"."""
    seen = set(found)
    if len(seen) < 2 or not seen <= {'0', '1', '-1'}:
        return
    none = [name for name in ('0', '-1') if name in seen]
    renamed = setting('rename', {'1': 'NAME'})
    by_name = f' {renamed}' if renamed.startswith('-') else ''
    raise UserError(
        f'labels are only {_counted(found, labels)}: one-hot, or yes and no? If '
        f'{" and ".join(none)} means "no object", say so by'
        f'{by_name} {setting("negatives", tuple(none))}; of a one-hot table write a '
        'CSV with a head row "image,CLASS,CLASS"; if they are classes, name all in '
        f'{setting("metainfo.classes", tuple(found))}'
    )


def _refuse_several_in_one(found: Sequence[str], labels: Mapping[str, int]) -> None:
    """Refuse a label that is made of other labels: ``cat dog`` beside both."""
    known = {spelling_key(name) for name in labels}
    several = {
        name: parts
        for name in found
        for parts in [[part for part in _BETWEEN.split(name) if part]]
        if len(parts) > 1 and {spelling_key(part) for part in parts} <= known
    }
    if several:
        parts = next(iter(several.values()))
        raise UserError(
            f'labels look like several classes in one: {_counted([*several], labels)}, '
            f'beside {" and ".join(map(repr, parts))}. Write {"|".join(parts)!r} in a '
            f'cell, {"+".join(parts)!r} as the name of a folder; or name all classes '
            f'in {setting("metainfo.classes")}: then blanks part them'
        )


def _refuse_nothing(found: Sequence[str], labels: Mapping[str, int]) -> None:
    """Refuse ``ok`` or ``non_defect`` as a class, which it would be without a word."""
    keys = {name: _plain(name) for name in found}
    # among names a number is no class; numbers alone are counted from 0
    numbers = () if all(map(_is_number, found)) else ('0', '-1')
    nothing = [
        name
        for name, key in keys.items()
        if key in _NOTHING or name in numbers or _denied(name, found)
    ]
    if nothing and len(nothing) < len(found):
        raise UserError(
            f'labels sound as if they meant "no object": {_counted(nothing, labels)}. '
            f'If they do, {setting("negatives", tuple(nothing))}; if they are to be '
            f'found as objects, name all classes in {setting("metainfo.classes")}'
        )


def _is_number(name: str) -> bool:
    return name.removeprefix('-').isdecimal()


def _plain(name: str) -> str:
    return spelling_key(name).replace('_', '')


def _denied(name: str, found: Sequence[str]) -> bool:
    """Whether it says that another label isn't there."""
    own = name_key(name).replace('-', '_'), _plain(name)
    for other in found:
        key = _plain(other)
        said = [f'{word}_{name_key(other)}' for word in _NOT] + [f'{key}_free']
        # of short words another may begin so by chance
        said += [word + key for word in _NOT] if len(key) > 3 else []
        if other != name and set(own) & set(said):
            return True
    return False
