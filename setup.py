# Licensed under Apache-2.0.
"""Build script: metadata, compiled operators, and the `.mim` folder.

The operators (`mmwsss._ext`) are described in `mmwsss/ops/_build.py`, which
`MMWSSS_WITH_OPS`, `FORCE_CUDA` and `TORCH_CUDA_ARCH_LIST` control. They need
torch at build time: install with `--no-build-isolation`.

`mmwsss/.mim` holds `configs/`, `tools/` and `model-index.yml`:

* an editable install links the two folders and copies the yml (a link to the
  yml makes pip's own copy step fail with `SameFileError`);
* a wheel gets real copies, written straight into the build folder, whatever an
  earlier editable install has left in the source tree.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).resolve().parent
MIM_FOLDERS = ('configs', 'tools')
MIM_INDEX = 'model-index.yml'


def read_version() -> str:
    """Version string of `mmwsss/version.py`, without importing the package."""
    scope: dict[str, str] = {}
    exec((ROOT / 'mmwsss' / 'version.py').read_text(), scope)
    return scope['__version__']


def read_requirements(name: str) -> list[str]:
    """Requirement lines of `requirements/<name>.txt`, without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    stripped = (line.split('#')[0].strip() for line in lines)
    return [line for line in stripped if line]


def remove(path: Path) -> None:
    """Remove a file, a link (not its target) or a folder, if it is there."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


def link_mim(mim: Path) -> None:
    """Fill `.mim` for an editable install: links, and a copy of the index."""
    remove(mim)
    mim.mkdir(parents=True)
    for name in MIM_FOLDERS:
        (mim / name).symlink_to(os.path.relpath(ROOT / name, mim))
    shutil.copyfile(ROOT / MIM_INDEX, mim / MIM_INDEX)


def copy_mim(mim: Path) -> None:
    """Fill `.mim` for a wheel: copies only."""
    remove(mim)
    ignore = shutil.ignore_patterns('__pycache__', '*.py[cod]')
    for name in MIM_FOLDERS:
        shutil.copytree(ROOT / name, mim / name, ignore=ignore)
    shutil.copyfile(ROOT / MIM_INDEX, mim / MIM_INDEX)


class BuildPy(build_py):
    """Adds `.mim` to what goes into a wheel."""

    def run(self) -> None:
        """Build, then copy `.mim` into the build folder unless it's editable."""
        super().run()
        if not self.editable_mode:
            copy_mim(Path(self.build_lib) / 'mmwsss' / '.mim')


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

    options = dict(bdist_wheel=dict(py_limited_api='cp311'))
    return dict(ext_modules=modules, build_ext=BuildOps, options=options)


log = logging.getLogger('mmwsss')
compiled = ops()
setup(
    name='mmwsss',
    version=read_version(),
    description='OpenMMLab toolbox for weakly supervised semantic segmentation '
    'from image-level labels',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='mmwsss contributors',
    license='Apache-2.0',
    keywords='computer vision, weakly supervised semantic segmentation, CAM',
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    python_requires='>=3.11,<3.13',
    packages=find_packages(include=['mmwsss', 'mmwsss.*']),
    package_data={'mmwsss': ['datasets/**/*.txt']},
    include_package_data=False,
    install_requires=read_requirements('runtime'),
    extras_require={
        name: read_requirements(name) for name in ('tests', 'docs', 'optional')
    },
    ext_modules=compiled.pop('ext_modules', []),
    cmdclass={
        'build_py': BuildPy,
        'editable_wheel': EditableWheel,
        **{key: compiled.pop(key) for key in ('build_ext',) if key in compiled},
    },
    **compiled,
    zip_safe=False,
)
