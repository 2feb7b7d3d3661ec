# Licensed under Apache-2.0.
"""Build script: compiled operators and the `.mim` folder.

Name, version, requirements and data files stand in `pyproject.toml`.

The operators (`mmwsss._ext`) are described in `mmwsss/ops/_build.py`, which
`MMWSSS_WITH_OPS`, `FORCE_CUDA` and `TORCH_CUDA_ARCH_LIST` control. They need
torch at build time: install with `--no-build-isolation`.

`mmwsss/.mim` holds `configs/`, `tools/`, `zoo/`, and what `mim` reads: `metafiles/`
and `model-index.yml`, which lists them:

* an editable install links the three folders; `mim` looks for `.mim` in the clone
  itself then, so that this is a link to `mmwsss/.mim`;
* a wheel gets real copies, written straight into the build folder, whatever an
  earlier editable install has left in the source tree.

The metafiles of the repository say `Weights: zoo/FILE`. `mim` fetches http(s) only:
those in `.mim/metafiles` say `$MMWSSS_ZOO_URL/FILE`, the address of a served `zoo/`.
Where that variable isn't set, they have no `Weights`: no address is better than a dead
one.

A wheel has that index a second time, in its `.dist-info`: `mim` (onedl-mim 0.5.1) takes
the folder of the first file that pip has recorded for the package itself, and
`mmwsss-VERSION.dist-info` comes before `mmwsss`. Its configs are named from there.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).resolve().parent
MIM_FOLDERS = ('configs', 'tools', 'zoo')
MIM_INDEX = 'model-index.yml'
MIM_METAFILES = 'metafiles'
ZOO_URL = 'MMWSSS_ZOO_URL'


def remove(path: Path) -> None:
    """Remove a file, a link (not its target) or a folder, if it is there."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


def zoo_url() -> str:
    """`MMWSSS_ZOO_URL`, with a slash at its end; empty where it isn't set."""
    url = os.environ.get(ZOO_URL, '').rstrip('/')
    if url and not url.startswith(('http://', 'https://')):
        raise SystemExit(
            f'{ZOO_URL}={url!r}: mim fetches http:// and https:// only. Name the '
            'address under which the files of zoo/ are served, or leave it unset'
        )
    return f'{url}/' if url else ''


def for_mim(metafile: str, url: str, to_configs: str) -> str:
    """The text of a metafile with addresses in place of paths, or without `Weights`."""
    address = rf'    Weights: {url}\1\n' if url else ''
    text = re.sub(r'^    Weights: zoo/(\S+)\n', address, metafile, flags=re.MULTILINE)
    return re.sub(r'^    Config: ', rf'\g<0>{to_configs}', text, flags=re.MULTILINE)


def write_index(mim: Path, to_configs: str = '') -> None:
    """Write what `mim` reads: the metafiles, and the index that lists them.

    `to_configs` is the way from that folder to the one with `configs`, with a slash.
    """
    url, lines = zoo_url(), ['Import:\n']
    (mim / MIM_METAFILES).mkdir(parents=True)
    for path in sorted(ROOT.glob('configs/[!_.]*/metafile.yml')):
        name = f'{MIM_METAFILES}/{path.parent.name}.yml'
        text = for_mim(path.read_text('utf-8'), url, to_configs)
        (mim / name).write_text(text, 'utf-8')
        lines.append(f'  - {name}\n')
    (mim / MIM_INDEX).write_text(''.join(lines), 'utf-8')


def link_mim(mim: Path) -> None:
    """Fill `.mim` for an editable install: links, and what mim reads."""
    remove(mim)
    mim.mkdir(parents=True)
    for name in MIM_FOLDERS:
        (mim / name).symlink_to(os.path.relpath(ROOT / name, mim))
    write_index(mim)
    remove(ROOT / mim.name)
    (ROOT / mim.name).symlink_to(os.path.relpath(mim, ROOT))


def copy_mim(mim: Path) -> None:
    """Fill `.mim` for a wheel: copies only."""
    remove(mim)
    ignore = shutil.ignore_patterns('__pycache__', '*.py[cod]')
    for name in MIM_FOLDERS:
        shutil.copytree(ROOT / name, mim / name, ignore=ignore)
    write_index(mim)


class BuildPy(build_py):
    """Adds `.mim` to what goes into a wheel."""

    def run(self) -> None:
        """Build, then copy `.mim` into the build folder unless it's editable."""
        super().run()
        if not self.editable_mode:
            copy_mim(Path(self.build_lib) / 'mmwsss' / '.mim')


class BdistWheel(bdist_wheel):
    """Adds the index to the `.dist-info`, see above."""

    def write_wheelfile(self, wheelfile_base: str, *args: Any, **kwargs: Any) -> None:
        """Called once the `.dist-info` is there, for editable installs too."""
        super().write_wheelfile(wheelfile_base, *args, **kwargs)
        mim = Path(wheelfile_base) / '.mim'
        remove(mim)
        write_index(mim, '../../mmwsss/.mim/')


class EditableWheel(editable_wheel):
    """Fills `.mim` in the source tree before an editable install."""

    def run(self) -> None:
        """Link `.mim`, drop what an earlier install has compiled, then build."""
        link_mim(ROOT / 'mmwsss' / '.mim')
        for file in (ROOT / 'mmwsss').glob('_ext*'):
            remove(file)
        super().run()


def load_build() -> ModuleType:
    """`mmwsss/ops/_build.py`, without importing the package."""
    path = ROOT / 'mmwsss' / 'ops' / '_build.py'
    spec = importlib.util.spec_from_file_location('mmwsss_ops_build', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wants_ops() -> str:
    """`MMWSSS_WITH_OPS`: auto (also when unset), 1 or 0."""
    value = os.environ.get('MMWSSS_WITH_OPS', '') or 'auto'
    if value not in ('auto', '1', '0'):
        raise SystemExit(f'MMWSSS_WITH_OPS must be auto, 1 or 0, got {value!r}')
    return value


def without_ops(reason: object) -> None:
    """Say loudly that nothing was compiled; an error if it was asked for."""
    if wants_ops() == '1':
        raise SystemExit(f'MMWSSS_WITH_OPS=1: the operators cannot be built: {reason}')
    log.warning(
        '%s\nmmwsss is installed WITHOUT compiled operators: %s.\nEverything works, '
        'PAR and the dense CRF are slower. To compile them, install PyTorch and a\n'
        'C++ compiler first, then: MMWSSS_WITH_OPS=1 pip install '
        '--no-build-isolation --no-deps .\n%s', '!' * 78, reason, '!' * 78,
    )  # fmt: skip


def ops() -> dict[str, Any]:
    """Arguments of `setup` for the compiled operators, empty without them."""
    if wants_ops() == '0':
        log.warning('MMWSSS_WITH_OPS=0: mmwsss without compiled operators')
        return {}
    try:
        from torch.utils.cpp_extension import BuildExtension

        build = load_build()
        modules = [build.extension()]
    except (ImportError, OSError) as error:
        without_ops(error)
        return {}

    class BuildOps(BuildExtension):
        """Compiles, and leaves a note of what it was compiled with."""

        def finalize_options(self) -> None:
            """Never reuse objects: headers and torch aren't looked at."""
            super().finalize_options()
            self.force = True

        def run(self) -> None:
            """Compile; without success install the forms in PyTorch alone."""
            folder = Path(self.get_ext_fullpath(modules[0].name)).parent
            for stale in folder.glob('_ext*'):
                remove(stale)
            try:
                super().run()
            except Exception as error:
                without_ops(error)
                self.extensions = []
                build.write_failure(folder, error)
                return
            file = Path(self.get_ext_fullpath(modules[0].name))
            build.write_record(file.parent)

    return dict(
        ext_modules=modules,
        cmdclass=dict(build_ext=BuildOps),
        options=dict(bdist_wheel=dict(py_limited_api='cp311')),
    )


log = logging.getLogger('mmwsss')
compiled = ops()
commands = dict(build_py=BuildPy, bdist_wheel=BdistWheel, editable_wheel=EditableWheel)
setup(cmdclass=commands | compiled.pop('cmdclass', {}), **compiled)
