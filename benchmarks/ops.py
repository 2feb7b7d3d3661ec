# Licensed under Apache-2.0.
"""Time the operators next to the forms they replace.

    python benchmarks/ops.py --out benchmarks/results/ops_cpu.txt

All forms run in one process, in turns, so that their ratios mean something on
a busy machine too: compiled and in PyTorch, the published form of PAR, a filter
that goes channel by channel, and pydensecrf if it is installed. The pictures
are drawn from a seed: noise of several scales, so that the lattice has a
natural size. The last table puts the project's targets beside the figures.
"""

from __future__ import annotations

import argparse
import logging
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from ops_cases import CASES, CUDA_CASES, Case, has_pydensecrf
from ops_targets import Measured, target_table
from ops_timing import Timing, machine, measure

from mmwsss.ops import get_build_info

log = logging.getLogger('benchmark')


def compare(case: Case, timings: Mapping[str, Timing]) -> dict[str, Measured]:
    """Add the differences to the results of the reference."""
    reference = timings[case.reference].last.cpu()
    found = {}
    for name, timing in timings.items():
        found[name] = Measured(timing)
        if name == case.reference:
            continue
        result = timing.last.cpu()
        difference = float((result - reference).abs().max())
        agreement = None
        if case.marginals:
            same = result.argmax(dim=1) == reference.argmax(dim=1)
            agreement = 100 * float(same.double().mean())
        relative = difference / float(reference.abs().max())
        found[name] = Measured(timing, difference, relative, agreement)
    return found


def lines(case: Case, found: Mapping[str, Measured]) -> Iterator[str]:
    """The table of one case."""
    base = next(iter(found.values())).timing.median
    yield case.title
    for name, (timing, difference, _, agreement) in found.items():
        digits = 1 if timing.median > 1 else 3
        row = (
            f'    {name:21s}{timing.median:8.{digits}f} ms ({timing.spread}; '
            f'{len(timing.runs)})'
        )
        row = (
            f'{row:60s} ratio {timing.median / base:6.2f}  '
            f'cpu {statistics.median(timing.processor):8.1f} ms  '
            f'{timing.memory:5.0f} MB'
        )
        if difference is None:
            row += '  reference'
        else:
            row += f'  difference {difference:.1e}'
        if agreement is not None:
            row += f', {agreement:.4f} % of labels equal'
        yield row


def changed_bits(found: Mapping[tuple, Measured]) -> Iterator[str]:
    """Forms whose results aren't the same in every run of every thread count."""
    yield 'results, bit by bit, in two runs and at all numbers of threads:'
    firsts: dict[tuple, torch.Tensor] = {}
    differ = set()
    for (name, form, device, _), measured in found.items():
        timing, key = measured.timing, (name, form, device)
        first = firsts.setdefault(key, timing.first)
        if not torch.equal(first, timing.first) or not torch.equal(first, timing.last):
            differ.add(f'{form} ({name}, {device})')
    yield '    the same, except: ' + (', '.join(sorted(differ)) or 'none')


def header(repeats: int) -> Iterator[str]:
    """What it was measured with."""
    yield machine()
    info = get_build_info()
    for key in ('compiled', 'cuda', 'reason', 'compiler', 'arch_list'):
        if info.get(key) is not None:
            yield f'{key}: {info[key]}'
    yield 'pydensecrf: ' + ('installed' if has_pydensecrf() else 'not installed')
    yield (
        f'wall time: median (fastest..slowest; runs, at most {repeats}); its ratio '
        'to the first form; processor time; additional memory at its peak'
    )


def report(args: argparse.Namespace) -> Iterator[str]:
    """All lines of the result."""
    yield from header(args.repeats)
    everything = {}
    places = [('cpu', threads) for threads in args.threads]
    if args.device != 'cpu' and torch.cuda.is_available():
        places.append(('cuda', 1))
    for device, threads in places:
        if args.device not in ('all', device):
            continue
        yield f'\n== {device}' + (f', {threads} thread(s)' if device == 'cpu' else '')
        for name, build in (CASES if device == 'cpu' else CUDA_CASES).items():
            if not any(part in name for part in args.cases):
                continue
            torch.set_num_threads(1)  # inputs are the same, bit by bit, at any number
            case = build(torch.device(device))
            torch.set_num_threads(threads)
            timings = measure(case.forms, args.repeats, torch.device(device))
            found = compare(case, timings)
            yield from lines(case, found)
            everything |= {
                (name, form, device, threads): measured
                for form, measured in found.items()
            }
    yield ''
    yield from changed_bits(everything)
    yield from target_table(everything)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        '--cases', nargs='+', default=[''], metavar='TEXT',
        help=f'only those whose name holds one of the texts; {", ".join(CUDA_CASES)}',
    )  # fmt: skip
    parser.add_argument('--threads', type=int, nargs='+', default=[1, 2])
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--device', choices=('all', 'cpu', 'cuda'), default='all')
    parser.add_argument('--out', type=Path, help='also write the result here')
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda: torch sees no GPU here')
    written = []
    for line in report(args):
        log.info(line)
        written.append(line)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text('\n'.join(written) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
