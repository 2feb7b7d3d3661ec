# Licensed under Apache-2.0.
"""Facts about the environment, gathered without judging them."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .cuda_archs import cuda_archs

# Module -> the distributions that install it: OneDL first, then upstream.
DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    'mmengine': ('onedl-mmengine', 'mmengine'),
    'mmcv': ('onedl-mmcv', 'mmcv', 'mmcv-lite', 'mmcv-full'),
    'mmseg': ('onedl-mmsegmentation', 'mmsegmentation'),
    'mmpretrain': ('onedl-mmpretrain', 'mmpretrain'),
}
OTHERS = ('torch', 'torchvision', 'numpy', 'scipy', 'pillow', 'setuptools', 'ninja')
OPENCV = ('opencv-python', 'opencv-python-headless')
MODULES = ('torch', 'torchvision', 'cv2', *DISTRIBUTIONS)


@dataclass(frozen=True)
class Extension:
    """Compiled operators of one package: `path` is None where there are none."""

    path: str | None = None
    error: str = ''
    archs: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnvFacts:
    """What is installed and whether it loads.

    Attributes:
        python: Major and minor version.
        versions: Distribution name -> version, of those that are installed.
        import_errors: Module -> last line of the error its import ends with.
        mmcv_ops: `mmcv._ext`.
        mmwsss_ops: `mmwsss._ext`.
        torch_cuda: CUDA version torch was built with; None for a CPU build.
        gpus: Name and compute capability of each visible GPU.
        tools: Compilers: 'c++', 'nvcc' -> first or last line of `--version`.
    """

    python: tuple[int, int]
    versions: Mapping[str, str]
    import_errors: Mapping[str, str] = field(default_factory=dict)
    mmcv_ops: Extension = Extension()
    mmwsss_ops: Extension = Extension()
    torch_cuda: str | None = None
    gpus: tuple[tuple[str, tuple[int, int]], ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)

    def family(self, module: str) -> str:
        """'OneDL', 'upstream', 'both' or 'missing': who installed `module`."""
        onedl, *upstream = DISTRIBUTIONS[module]
        has_upstream = any(name in self.versions for name in upstream)
        if onedl in self.versions:
            return 'both' if has_upstream else 'OneDL'
        return 'upstream' if has_upstream else 'missing'


def gather() -> EnvFacts:
    """Gather the facts of this interpreter; imports torch and the mm stack."""
    errors = import_errors(MODULES)
    cuda, gpus = (None, ()) if 'torch' in errors else torch_facts()
    return EnvFacts(
        python=sys.version_info[:2],
        versions=installed_versions(),
        import_errors=errors,
        mmcv_ops=extension_facts('mmcv'),
        mmwsss_ops=extension_facts('mmwsss'),
        torch_cuda=cuda,
        gpus=gpus,
        tools=compiler_versions(),
    )


def installed_versions() -> dict[str, str]:
    """Versions of the distributions that matter, as far as they are there."""
    names = [name for group in DISTRIBUTIONS.values() for name in group]
    versions = {}
    for name in (*names, *OTHERS, *OPENCV, 'mmwsss'):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def import_errors(modules: tuple[str, ...]) -> dict[str, str]:
    """Import each module that is there; last error line of those that fail."""
    errors = {}
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # an assert of theirs, a linker's message, ...
            lines = f'{type(error).__name__}: {error}'.strip().splitlines()
            errors[module] = lines[-1]
    return errors


def extension_facts(package: str) -> Extension:
    """Look for `<package>/_ext*.so`, its GPU architectures, and load it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return Extension()
    library = next(Path(spec.origin).parent.glob('_ext*.so'), None)
    if library is None:
        return Extension()
    errors = import_errors((f'{package}._ext',))
    return Extension(
        path=str(library),
        error=errors.get(f'{package}._ext', ''),
        archs=tuple(cuda_archs(library)),
    )


def torch_facts() -> tuple[str | None, tuple[tuple[str, tuple[int, int]], ...]]:
    """CUDA version torch was built with, and the visible GPUs."""
    import torch

    if not torch.cuda.is_available():
        return torch.version.cuda, ()
    gpus = tuple(
        (torch.cuda.get_device_name(i), torch.cuda.get_device_capability(i))
        for i in range(torch.cuda.device_count())
    )
    return torch.version.cuda, gpus


def compiler_versions() -> dict[str, str]:
    """One line on each compiler that is found."""
    found = {}
    nvcc = Path(os.environ.get('CUDA_HOME', '/usr/local/cuda'), 'bin', 'nvcc')
    paths = {
        'c++': shutil.which(os.environ.get('CXX', 'c++')),
        'nvcc': shutil.which('nvcc') or (str(nvcc) if nvcc.exists() else None),
    }
    for name, path in paths.items():
        if path is None:
            continue
        run = subprocess.run([path, '--version'], capture_output=True, text=True)
        lines = run.stdout.strip().splitlines() or ['?']
        found[name] = f'{path}: {lines[0 if name == "c++" else -1]}'
    return found
