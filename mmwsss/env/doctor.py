# Licensed under Apache-2.0.
"""The doctor: `python -m mmwsss.env.doctor`.

Prints the versions, which family the mm packages come from, whether compiled
operators are there and for which GPUs, and the exact fix for what is wrong.
Ends with status 1 if something is wrong that mmwsss can't work with. Paste its
output into bug reports.
"""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

from mmwsss.version import __version__

from .env_facts import DISTRIBUTIONS, OPENCV, OTHERS, EnvFacts, Extension, gather
from .env_problems import Problem, find_problems


def format_facts(facts: EnvFacts) -> str:
    """The facts as a table, one line each."""
    rows = [
        ('mmwsss', __version__),
        ('Python', f'{platform.python_version()} ({sys.executable})'),
        ('platform', platform.platform()),
    ]
    rows += [
        (name, facts.versions[name])
        for name in (*OTHERS, *OPENCV)
        if name in facts.versions
    ]
    rows += [(module, _describe_module(facts, module)) for module in DISTRIBUTIONS]
    rows += [
        ('mmcv operators', _describe_extension(facts.mmcv_ops, 'none')),
        (
            'mmwsss operators',
            _describe_extension(facts.mmwsss_ops, 'plain PyTorch (nothing compiled)'),
        ),
        ('CUDA of torch', facts.torch_cuda or 'none: CPU build'),
        ('GPUs', ', '.join(f'{n} (sm_{a}{b})' for n, (a, b) in facts.gpus) or 'none'),
    ]
    rows += [(tool, facts.tools.get(tool, 'not found')) for tool in ('c++', 'nvcc')]
    return '\n'.join(f'{name:<24} {value}' for name, value in rows)


def format_problems(problems: list[Problem]) -> str:
    """The problems, numbered, each with its fix; or a line that all is well."""
    if not problems:
        return 'No problem found.'
    blocks = [
        f'{i}. {"PROBLEM" if p.fatal else "note"}: {p.what}\n   fix: {_own_pip(p.fix)}'
        for i, p in enumerate(problems, start=1)
    ]
    return '\n'.join([*blocks, 'Fixes run in a clone of mmwsss, in this order.'])


def collect_env(facts: EnvFacts | None = None) -> str:
    """The whole report, of this environment unless `facts` are given."""
    facts = gather() if facts is None else facts
    return f'{format_facts(facts)}\n\n{format_problems(find_problems(facts))}\n'


def main() -> int:
    """Write the report to stdout.

    Returns:
        The exit status: 1 if there is a problem that mmwsss can't work with.
    """
    facts = gather()
    sys.stdout.write(collect_env(facts))
    return int(any(problem.fatal for problem in find_problems(facts)))


def _own_pip(command: str) -> str:
    """Name this interpreter's pip: a plain `pip` may belong to another one."""
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return re.sub(r'\bpip (?=(un)?install)', f'{python} -m pip ', command)


def _describe_module(facts: EnvFacts, module: str) -> str:
    names = [n for n in DISTRIBUTIONS[module] if n in facts.versions]
    listed = ' + '.join(f'{n} {facts.versions[n]}' for n in names)
    error = facts.import_errors.get(module)
    state = f', does not load: {error}' if error and names else ''
    return f'{facts.family(module)}{": " if names else ""}{listed}{state}'


def _describe_extension(extension: Extension, none: str) -> str:
    if extension.path is None:
        return none
    if extension.error:
        return f'compiled, but does not load: {extension.error}'
    if not extension.archs:
        return 'compiled for the CPU'
    return f'compiled for CPU and GPU: {", ".join(extension.archs)}'


if __name__ == '__main__':
    sys.exit(main())
