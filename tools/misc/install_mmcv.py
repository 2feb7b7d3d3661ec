# Licensed under Apache-2.0.
"""Install mmcv with its compiled operators, building it when there is no wheel.

Wheels are kept in a folder of our own, one per torch version, Python version,
platform and kind of operators. pip's own cache goes by mmcv's version alone: it
would hand a wheel built for another torch to this one, which then fails with
`undefined symbol`.

Needs torch, setuptools, wheel and ninja in the environment; nothing of mmwsss.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / 'requirements' / 'constraints.txt'
PIP = (sys.executable, '-m', 'pip', '--disable-pip-version-check')
# Loads the extension by itself: `import mmcv` would also need OpenCV to work.
PROBE = """
import importlib.metadata, importlib.util, pathlib, torch
folder = pathlib.Path(importlib.util.find_spec('mmcv').origin).parent
spec = importlib.util.spec_from_file_location('_ext', next(folder.glob('_ext*.so')))
extension = importlib.util.module_from_spec(spec)
spec.loader.exec_module(extension)
cuda = extension.get_compiling_cuda_version()
print(importlib.metadata.version('onedl-mmcv'), cuda)
"""
log = logging.getLogger('install_mmcv')


def pinned_version(name: str = 'onedl-mmcv') -> str:
    """Version of `name` in the constraints file."""
    match = re.search(rf'^{name}==(\S+)', CONSTRAINTS.read_text(), re.M)
    if match is None:
        raise ValueError(f'{CONSTRAINTS} has no line "{name}==VERSION"; add it')
    return match[1]


def installed() -> tuple[str, str] | None:
    """Version and kind ('cpu' or 'cuda') of a working mmcv, or None."""
    command = [sys.executable, '-c', PROBE]
    probe = subprocess.run(command, capture_output=True, text=True)
    if probe.returncode != 0:
        return None
    version, cuda = probe.stdout.split(maxsplit=1)
    return version, 'cpu' if 'not available' in cuda else 'cuda'


def nvcc_version() -> str | None:
    """Release of the nvcc that torch would use, such as '13.0'."""
    from torch.utils.cpp_extension import CUDA_HOME

    if CUDA_HOME is None:
        return None
    nvcc = Path(CUDA_HOME) / 'bin' / 'nvcc'
    if not nvcc.exists():
        return None
    text = subprocess.run([nvcc, '--version'], capture_output=True, text=True).stdout
    match = re.search(r'release (\d+\.\d+)', text)
    return match[1] if match else None


def choose_kind(wanted: str) -> str:
    """Resolve 'auto': 'cuda' where a GPU and a matching nvcc are there."""
    import torch

    if wanted != 'auto':
        return wanted
    if not torch.cuda.is_available():
        return 'cpu'
    nvcc, cuda = nvcc_version(), str(torch.version.cuda)
    if nvcc is not None and nvcc.split('.')[0] == cuda.split('.')[0]:
        return 'cuda'
    log.warning(
        'There is a GPU, but nvcc is %s and torch was built with CUDA %s: building '
        "mmcv's operators for the CPU only (torch itself uses the GPU). Install "
        'CUDA toolkit %s, set CUDA_HOME and run `make env MMCV_OPS=cuda`.',
        nvcc or 'not found', cuda, cuda,
    )  # fmt: skip
    return 'cpu'


def wheel_key(kind: str) -> str:
    """Folder name: everything that decides whether a built wheel fits."""
    import torch

    if kind == 'cuda':
        archs = os.environ.get('TORCH_CUDA_ARCH_LIST', '')
        if not archs and torch.cuda.is_available():
            archs = '{}.{}'.format(*torch.cuda.get_device_capability())
        kind = f'cuda{torch.version.cuda}-sm' + re.sub(r'[ ;]+', '_', archs or 'all')
    python = f'py{sys.version_info.major}{sys.version_info.minor}'
    system = f'{platform.system().lower()}_{platform.machine()}'
    return f'torch-{torch.__version__}-{python}-{system}-{kind}'


def usable_folder(path: Path) -> Path:
    """`path`, created; a folder in the source tree if it can't be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        log.warning("Can't write %s (%s); using .wheels instead", path, error)
        path = ROOT / '.wheels' / path.name
        path.mkdir(parents=True, exist_ok=True)
    return path


def build_environment(kind: str) -> dict[str, str]:
    """Environment variables that steer mmcv's setup.py."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    env = dict(os.environ)
    # a compiler process takes up to 2 GiB here
    env.setdefault('MAX_JOBS', str(max(1, min(cores, memory // 2**31))))
    env['MMCV_WITH_OPS'] = '1'
    env['FORCE_CUDA'] = '1' if kind == 'cuda' else '0'
    if kind == 'cpu':
        env['CUDA_VISIBLE_DEVICES'] = ''
    return env


def follow(process: subprocess.Popen[str], build_log: Path) -> None:
    """Write the build's output to a file and its progress to the log."""
    start = shown = time.monotonic()
    assert process.stdout is not None
    with build_log.open('w') as file:
        for line in process.stdout:
            file.write(line)
            step = re.match(r'\s*\[(\d+)/(\d+)\]', line)
            now = time.monotonic()
            if step and (now - shown > 10 or step[1] == step[2]):
                log.info('mmcv: file %s of %s, %.0f s', *step.groups(), now - start)
                shown = now


def build(folder: Path, kind: str) -> Path:
    """Build the wheel into `folder` and return its path."""
    spec = f'onedl-mmcv=={pinned_version()}'
    build_log = folder / 'build.log'
    log.info('Building %s (%s) into %s', spec, kind, folder)
    with tempfile.TemporaryDirectory(dir=folder) as partial:
        command = [*PIP, 'wheel', '-v', '--no-deps', '--no-build-isolation']
        command += ['--no-cache-dir', '--wheel-dir', partial, spec]
        process = subprocess.Popen(
            command, env=build_environment(kind), text=True, errors='replace',
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            follow(process, build_log)
        except BaseException:
            # pip, ninja and the compilers go too when this is stopped
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
        if process.wait() != 0:
            tail = build_log.read_text().splitlines()[-40:]
            log.error('%s', '\n'.join(tail))
            raise SystemExit(f'error: building {spec} failed; all of it: {build_log}')
        # rename only what is complete: another clone may look at this folder
        wheel = next(Path(partial).glob('*.whl'))
        return Path(shutil.move(str(wheel), folder / wheel.name))


def install(wheel: Path) -> tuple[str, str] | None:
    """Install a wheel (with its plain requirements) and look whether it works."""
    subprocess.run([*PIP, 'uninstall', '-y', '-q', 'onedl-mmcv'], check=True)
    command = [*PIP, 'install', '--constraint', str(CONSTRAINTS), str(wheel)]
    subprocess.run(command, check=True)
    return installed()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--ops', choices=('auto', 'cpu', 'cuda'), default='auto')
    parser.add_argument('--wheels', type=Path, required=True, help='wheel folder')
    parser.add_argument(
        '--show-folder',
        action='store_true',
        help='only print where wheels for this torch are kept',
    )
    args = parser.parse_args()
    # told to stop: leave neither a half-built folder nor a compiler running
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit('stopped'))
    logging.basicConfig(level=logging.INFO, format='%(message)s', stream=sys.stdout)

    kind, version = choose_kind(args.ops), pinned_version()
    if args.show_folder:
        sys.stdout.write(f'{usable_folder(args.wheels / wheel_key(kind))}\n')
        return
    if installed() in ((version, kind), (version, 'cuda')):
        log.info('mmcv %s is installed, with its operators', version)
        return
    folder = usable_folder(args.wheels / wheel_key(kind))
    wheel = next(folder.glob(f'onedl_mmcv-{version}-*.whl'), None)
    if wheel is not None:
        log.info('Reusing %s', wheel)
        if install(wheel) == (version, kind):
            return
        log.warning("%s doesn't work here; building it anew", wheel)
    if install(build(folder, kind)) != (version, kind):
        probe = subprocess.run([sys.executable, '-c', PROBE], capture_output=True)
        raise SystemExit(
            f'error: mmcv {version} was built but its {kind} operators do not load:\n'
            + probe.stderr.decode()
        )


if __name__ == '__main__':
    main()
