# Licensed under Apache-2.0.
"""What is wrong in an environment, and the exact command that puts it right.

There are no version asserts in mmwsss: another version that works is fine. A
problem is something that is known not to work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .cuda_archs import covers
from .env_facts import DISTRIBUTIONS, OPENCV, EnvFacts

PIN = '-c requirements/constraints.txt'
BUILD_MMCV = (
    'pip install -r requirements/build.txt && pip install --no-build-isolation '
    f'--no-cache-dir {PIN} '
)
INSTALL_MMCV = BUILD_MMCV + 'onedl-mmcv'
# --no-deps: the rest is there, and must not be installed anew with it
REBUILD_MMCV = BUILD_MMCV + '--force-reinstall --no-deps onedl-mmcv'


@dataclass(frozen=True)
class Problem:
    """Something to put right; `fatal` if mmwsss can't work with it."""

    what: str
    fix: str
    fatal: bool = True


def find_problems(facts: EnvFacts) -> list[Problem]:
    """Judge the facts; the list is in the order in which to put things right."""
    checks = (_python, _torch, _families, _opencv, _imports, _mmcv_ops, _gpu_ops)
    return [problem for check in checks for problem in check(facts)]


def _python(facts: EnvFacts) -> Iterator[Problem]:
    if facts.python not in ((3, 11), (3, 12)):
        version = '.'.join(map(str, facts.python))
        yield Problem(
            f'Python {version}; 3.11 and 3.12 are supported',
            'make env VENV=.venv-new PYTHON=/path/to/python3.11',
        )


def _torch(facts: EnvFacts) -> Iterator[Problem]:
    install = f'pip install {PIN} torch torchvision'
    if 'torch' not in facts.versions:
        yield Problem('PyTorch is not installed', install)
        return
    version = tuple(int(n) for n in re.findall(r'\d+', facts.versions['torch'])[:2])
    if version < (2, 7):
        yield Problem(f'torch {facts.versions["torch"]} is older than 2.7', install)
    for module in ('torch', 'torchvision'):
        if module in facts.import_errors:
            yield Problem(
                f'{module} does not load: {facts.import_errors[module]}',
                f'pip install --force-reinstall {PIN} torch torchvision',
            )


def _install_command(module: str) -> str:
    if module == 'mmcv':
        return INSTALL_MMCV
    return f'pip install --no-build-isolation {PIN} {DISTRIBUTIONS[module][0]}'


def _families(facts: EnvFacts) -> Iterator[Problem]:
    families = {module: facts.family(module) for module in DISTRIBUTIONS}
    for module, family in families.items():
        if family == 'missing':
            yield Problem(f'{module} is not installed', _install_command(module))
        elif family == 'both':
            names = [n for n in DISTRIBUTIONS[module] if n in facts.versions]
            # both are removed: each removal deletes files that the other uses
            yield Problem(
                f'{" and ".join(names)} overwrite each other: both install {module}',
                f'pip uninstall -y {" ".join(names)} && {_install_command(module)}',
            )
    upstream = [module for module, family in families.items() if family == 'upstream']
    if upstream:
        names = [n for m in upstream for n in DISTRIBUTIONS[m] if n in facts.versions]
        install = ' && '.join(_install_command(module) for module in upstream)
        yield Problem(
            f'{", ".join(names)}: upstream distributions, not developed any more and '
            'not tested with mmwsss',
            f'pip uninstall -y {" ".join(names)} && {install}',
            fatal='OneDL' in families.values(),
        )


def _opencv(facts: EnvFacts) -> Iterator[Problem]:
    error = facts.import_errors.get('cv2')
    if error is None:
        return
    if 'libGL' in error or 'libgthread' in error:
        version = facts.versions.get('opencv-python', '')
        pin = f'=={version}' if version else ''
        yield Problem(
            f'OpenCV does not load: {error}',
            'pip install --force-reinstall --no-deps '
            f'opencv-python-headless{pin}   # or: sudo apt install libgl1',
        )
    else:
        names = ' '.join(n for n in OPENCV if n in facts.versions)
        uninstall = f'pip uninstall -y {names} && ' if names else ''
        yield Problem(
            f'OpenCV does not load: {error}',
            f'{uninstall}pip install {PIN} opencv-python',
        )


def _imports(facts: EnvFacts) -> Iterator[Problem]:
    """Imports that fail, unless an earlier check explains them."""
    if {'torch', 'torchvision', 'cv2'} & facts.import_errors.keys():
        return
    for module in DISTRIBUTIONS:
        if module in facts.import_errors and facts.family(module) == 'OneDL':
            yield Problem(
                f'{module} does not load: {facts.import_errors[module]}',
                f'pip install --force-reinstall --no-build-isolation --no-deps {PIN} '
                f'{DISTRIBUTIONS[module][0]}'
                if module != 'mmcv'
                else REBUILD_MMCV,
            )


def _mmcv_ops(facts: EnvFacts) -> Iterator[Problem]:
    if facts.family('mmcv') == 'missing' or 'mmcv' in facts.import_errors:
        return
    if facts.mmcv_ops.path is None:
        yield Problem(
            'mmcv has no compiled operators (it was built in isolation, without '
            'torch, or it is mmcv-lite)',
            REBUILD_MMCV,
        )
    elif facts.mmcv_ops.error:
        hint = ''
        if 'undefined symbol' in facts.mmcv_ops.error:
            hint = ' (it was built for another torch)'
        yield Problem(
            f"mmcv's operators do not load{hint}: {facts.mmcv_ops.error}", REBUILD_MMCV
        )


def _gpu_ops(facts: EnvFacts) -> Iterator[Problem]:
    if facts.mmcv_ops.path is None or facts.mmcv_ops.error:
        return
    for name, capability in facts.gpus:
        if covers(list(facts.mmcv_ops.archs), capability):
            continue
        arch = '.'.join(map(str, capability))
        built = ', '.join(facts.mmcv_ops.archs) or 'the CPU only'
        yield Problem(
            f"mmcv's operators are built for {built}, the GPU {name} is sm_{arch}",
            f'export FORCE_CUDA=1 TORCH_CUDA_ARCH_LIST={arch} && {REBUILD_MMCV}',
            fatal=False,
        )
        return
