# Licensed under Apache-2.0.
"""How `mmwsss/_ext` is compiled; `setup.py` loads this file by its path.

Environment variables:

* ``MMWSSS_WITH_OPS``: ``auto`` (a failed compile leaves a pure-Python install,
  with a loud warning), ``1`` (it fails) or ``0`` (nothing is compiled);
* ``FORCE_CUDA``: ``1``: CUDA kernels too, also where there is no GPU; ``0``: none;
  otherwise where there is a GPU and the toolkit of torch's CUDA release;
* ``TORCH_CUDA_ARCH_LIST``: the GPUs to compile for, e.g. ``9.0``; by default
  those present, else ``8.0;8.6;8.9;9.0+PTX``;
* ``MAX_JOBS``: files compiled at the same time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

OPS = Path(__file__).resolve().parent
ROOT = OPS.parents[1]
CSRC = OPS / 'csrc'
RECORD = OPS.parent / '_ext_build.json'
DEFAULT_ARCHS = '8.0;8.6;8.9;9.0+PTX'
# No -march: wheels run elsewhere. No contraction and no -ffast-math: pixels on
# the border of two lattice simplices must fall to the same side everywhere.
CXX_FLAGS = ['-O3', '-fopenmp', '-ffp-contract=off', '-fvisibility=hidden', '-Wall']
NVCC_FLAGS = ['-O3', '--fmad=false']


def mmcv_headers() -> Path | None:
    """Folder of mmcv's device registry, if an mmcv is installed."""
    spec = importlib.util.find_spec('mmcv')
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / 'ops' / 'csrc' / 'common'
    return folder if (folder / 'pytorch_device_registry.hpp').exists() else None


def cuda_home() -> Path | None:
    """Root of the CUDA toolkit, if there is one.

    torch takes the folder above that of `nvcc`. Where that is only a script
    which calls the real one elsewhere, nvcc itself says where it lives.
    """
    from torch.utils.cpp_extension import CUDA_HOME

    if CUDA_HOME and (Path(CUDA_HOME) / 'include' / 'cuda_runtime.h').exists():
        return Path(CUDA_HOME)
    nvcc = shutil.which('nvcc')
    if nvcc is None:
        return None
    command = [nvcc, '--dryrun', '-x', 'cu', os.devnull]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r'^#\$ TOP=(.+)$', result.stderr, flags=re.MULTILINE)
    return Path(found.group(1)).resolve() if found else None


def with_cuda() -> bool:
    """Whether CUDA kernels are to be compiled."""
    import torch

    forced = os.environ.get('FORCE_CUDA')
    if forced in ('0', '1'):
        return forced == '1'
    present = torch.version.cuda is not None and torch.cuda.is_available()
    return present and _release(cuda_home()) == torch.version.cuda.split('.')[0]


def _release(home: Path | None) -> str | None:
    """Major version of a toolkit: torch refuses one that isn't its own."""
    if home is None:
        return None
    command = [str(home / 'bin' / 'nvcc'), '--version']
    try:
        text = subprocess.run(command, capture_output=True, text=True).stdout
    except OSError:
        return None
    found = re.search(r'release (\d+)\.', text)
    return found[1] if found else None


def use_cuda_home() -> None:
    """Let torch compile with the toolkit of :func:`cuda_home`.

    Raises:
        OSError: There is none.
    """
    from torch.utils import cpp_extension

    home = cuda_home()
    if home is None:
        raise OSError('FORCE_CUDA=1, but there is no CUDA toolkit: set CUDA_HOME')
    cpp_extension.CUDA_HOME = os.environ['CUDA_HOME'] = str(home)


def cuda_headers() -> list[Path]:
    """CUDA headers that pip installed: a toolkit may lack some of them."""
    import torch

    major = str(torch.version.cuda).split('.')[0]
    site = Path(torch.__file__).resolve().parents[1]
    folder = site / 'nvidia' / f'cu{major}' / 'include'
    return [folder] if folder.is_dir() else []


def arch_list() -> str:
    """``TORCH_CUDA_ARCH_LIST``, or the GPUs present, or the default."""
    import torch

    given = os.environ.get('TORCH_CUDA_ARCH_LIST')
    if given:
        return given
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = {'{}.{}'.format(*torch.cuda.get_device_capability(i)) for i in range(count)}
    return ';'.join(sorted(found)) or DEFAULT_ARCHS


def sources(cuda: bool) -> list[str]:
    """Source files relative to the root of the project."""
    patterns = ['pytorch/*.cpp', 'pytorch/cpu/*.cpp']
    if cuda:
        patterns += ['pytorch/cuda/*.cpp', 'pytorch/cuda/*.cu']
    files = (file for pattern in patterns for file in CSRC.glob(pattern))
    return sorted(str(file.relative_to(ROOT)) for file in files)


def own_headers() -> list[Path]:
    """Folders of our own header files; their names are unique."""
    files = (path for path in CSRC.rglob('*') if path.suffix in ('.hpp', '.cuh'))
    return sorted({path.parent for path in files})


def extension() -> Any:
    """The setuptools extension; needs torch."""
    from torch.utils import cpp_extension

    cuda = with_cuda()
    kind = cpp_extension.CUDAExtension if cuda else cpp_extension.CppExtension
    macros: list[tuple[str, str | None]] = []
    include = list(map(str, own_headers()))
    if cuda:
        use_cuda_home()
        os.environ['TORCH_CUDA_ARCH_LIST'] = arch_list()
        macros.append(('MMWSSS_WITH_CUDA', None))
        include += map(str, cuda_headers())
    if (mmcv := mmcv_headers()) is not None:
        include.append(str(mmcv))
    return kind(
        name='mmwsss._ext',
        sources=sources(cuda),
        include_dirs=include,
        define_macros=macros,
        extra_compile_args=dict(cxx=CXX_FLAGS, nvcc=NVCC_FLAGS),
        extra_link_args=['-fopenmp', '-s'],
        py_limited_api=True,
    )


def write_failure(folder: Path, error: Exception) -> None:
    """Note why nothing was compiled: what pip prints is rarely seen."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(failed=str(error)[-500:]), indent=2)
    (folder / RECORD.name).write_text(text + '\n', encoding='utf-8')


def sources_hash() -> str | None:
    """Of the C++ and CUDA sources; ``None`` where they aren't installed (a wheel)."""
    if not CSRC.is_dir():
        return None
    digest = hashlib.sha256()
    for path in sorted(p for p in CSRC.rglob('*') if p.is_file()):
        digest.update(path.relative_to(CSRC).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def write_record(folder: Path) -> None:
    """Note next to the compiled file what it was built with."""
    import torch

    cuda = with_cuda()
    record = dict(
        torch=torch.__version__,
        cuda_version=torch.version.cuda if cuda else None,
        arch_list=arch_list() if cuda else None,
        compiler=os.environ.get('CXX', 'c++'),
        registry='mmcv' if mmcv_headers() else 'own',
        sources=sources_hash(),
    )
    path = folder / RECORD.name
    path.write_text(json.dumps(record, indent=2) + '\n', encoding='utf-8')
