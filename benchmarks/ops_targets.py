# Licensed under Apache-2.0.
"""What the project wants of its operators, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ops_timing import Timing

__all__ = ['Measured', 'target_table']


class Measured(NamedTuple):
    """One form of one case.

    Attributes:
        timing: Time, memory and results.
        difference: Largest difference to the reference, None for itself.
        relative: The same over the largest value of the reference.
        agreement: Percentage of equal labels, None where there are none.
    """

    timing: Timing
    difference: float | None = None
    relative: float | None = None
    agreement: float | None = None


class Target(NamedTuple):
    """A limit for one figure; ``form`` and ``threads`` say where it holds."""

    case: str
    form: str
    device: str
    threads: int
    quantity: str
    limit: float


def _targets() -> Iterator[Target]:
    milliseconds = {
        'par3': (80, 40, 0.12),
        'par21': (280, 130, 0.30),
        'crf21_psa': (1000, 400, 2.0),
        'energy21': (100, 40, 0.3),
    }
    columns = (('PyTorch', 'cpu'), ('compiled', 'cpu'), ('compiled', 'cuda'))
    for case, limits in milliseconds.items():
        for (form, device), limit in zip(columns, limits, strict=True):
            yield Target(case, form, device, 1, 'ms', limit)
    yield Target('crf21_psa', 'compiled', 'cpu', 2, 'ms', 250)
    for (form, device), limit in zip(columns, (100, 60, 40), strict=True):
        yield Target('par21', form, device, 1, 'MB', limit)
    for form, device in columns:
        yield Target('par3', form, device, 1, 'difference', 5e-6)
        yield Target('par21', form, device, 1, 'difference', 5e-6)
        yield Target('crf21_psa', form, device, 1, 'difference', 1e-3)
        yield Target('crf21_psa', form, device, 1, '% of labels', 99.99)
    yield Target('energy21', 'compiled', 'cpu', 1, 'relative', 1e-5)
    yield Target('energy21', 'compiled', 'cuda', 1, 'relative', 1e-4)


Key = tuple[str, str, str, int]


def target_table(found: Mapping[Key, Measured]) -> Iterator[str]:
    """Lines: the target, the measured value, met or not.

    Args:
        found: Case, form, device and number of threads to what was measured.
    """
    yield 'targets (wall time in ms, additional memory in MB, results)'
    for target in _targets():
        value = _value(found.get(target[:4]), target.quantity)
        at_least = target.quantity == '% of labels'
        if value is None:
            verdict = 'not measured'
        else:
            met = value >= target.limit if at_least else value <= target.limit
            verdict = f'{value:11.4g}  {"met" if met else "NOT MET"}'
        threads = f', {target.threads} thread(s)' if target.device == 'cpu' else ''
        place = f'{target.form} on {target.device}{threads}'
        sign = '>=' if at_least else '<='
        yield (
            f'    {target.case:10s} {place:30s} {target.quantity:12s} '
            f'{sign} {target.limit:<7g} {verdict}'
        )


def _value(measured: Measured | None, quantity: str) -> float | None:
    if measured is None:
        return None
    return {
        'ms': measured.timing.median,
        'MB': measured.timing.memory,
        'difference': measured.difference,
        'relative': measured.relative,
        '% of labels': measured.agreement,
    }[quantity]
