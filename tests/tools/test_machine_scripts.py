# Licensed under Apache-2.0.
"""The scripts behind `make env`, without installing anything."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MISC = ROOT / 'tools' / 'misc'


@pytest.fixture(scope='module')
def install_mmcv():
    spec = importlib.util.spec_from_file_location('_im', MISC / 'install_mmcv.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pinned_version(install_mmcv):
    assert install_mmcv.pinned_version() == '2.3.6'
    with pytest.raises(ValueError, match='no line "nothing==VERSION"'):
        install_mmcv.pinned_version('nothing')


def test_key_tells_builds_apart(install_mmcv, monkeypatch):
    torch = pytest.importorskip('torch')
    monkeypatch.setenv('TORCH_CUDA_ARCH_LIST', '8.0;9.0')
    cpu, cuda = install_mmcv.wheel_key('cpu'), install_mmcv.wheel_key('cuda')
    python = f'py{sys.version_info.major}{sys.version_info.minor}'
    assert cpu.startswith(f'torch-{torch.__version__}-{python}-linux_')
    assert cpu.endswith('-cpu')
    assert cuda.endswith('-sm8.0_9.0')


def test_build_for_the_cpu_sees_no_gpu(install_mmcv, monkeypatch):
    monkeypatch.delenv('MAX_JOBS', raising=False)
    env = install_mmcv.build_environment('cpu')
    assert (env['FORCE_CUDA'], env['CUDA_VISIBLE_DEVICES']) == ('0', '')
    assert 1 <= int(env['MAX_JOBS']) <= len(os.sched_getaffinity(0))
    assert install_mmcv.build_environment('cuda')['FORCE_CUDA'] == '1'


def test_wheel_folder_that_cannot_be_written(install_mmcv, monkeypatch, tmp_path):
    monkeypatch.setattr(install_mmcv, 'ROOT', tmp_path)
    (tmp_path / 'file').touch()
    folder = install_mmcv.usable_folder(tmp_path / 'file' / 'torch-1')
    assert folder == tmp_path / '.wheels' / 'torch-1'
    assert folder.is_dir()


def test_installed_mmcv_is_recognised(install_mmcv):
    """Or else `make env` would compile it again in a good environment."""
    mmcv = pytest.importorskip('mmcv')
    pytest.importorskip('mmcv._ext')
    version, kind = install_mmcv.installed()
    assert version == mmcv.__version__
    assert kind in ('cpu', 'cuda')


FAKE_PIP = """
import sys
from pathlib import Path
folder = Path(sys.argv[sys.argv.index('--wheel-dir') + 1])
print('  [1/2] c++ a.o')
print('  [2/2] c++ b.o')
if {status} == 0:
    (folder / 'onedl_mmcv-2.3.6-cp311-cp311-linux_x86_64.whl').write_bytes(b'wheel')
sys.exit({status})
"""


@pytest.fixture(params=[0, 1], ids=['builds', 'fails'])
def fake_pip(request, install_mmcv, monkeypatch, tmp_path) -> int:
    script = tmp_path / 'pip.py'
    script.write_text(FAKE_PIP.format(status=request.param))
    monkeypatch.setattr(install_mmcv, 'PIP', (sys.executable, str(script)))
    return request.param


def test_build(install_mmcv, fake_pip, tmp_path, caplog):
    folder = tmp_path / 'wheels'
    folder.mkdir()
    caplog.set_level('INFO')
    if fake_pip == 0:
        assert install_mmcv.build(folder, 'cpu').read_bytes() == b'wheel'
        assert 'file 2 of 2' in caplog.text  # progress is shown
    else:
        with pytest.raises(SystemExit, match='onedl-mmcv==2.3.6 failed.*build.log'):
            install_mmcv.build(folder, 'cpu')
        assert 'c++ b.o' in caplog.text  # the end of the build's own output
    kept = {path.name for path in folder.iterdir()}
    assert {name.split('-')[0] for name in kept} <= {'build.log', 'onedl_mmcv'}


def check_machine(path: Path, *arguments: str, **env: str):
    return subprocess.run(
        ['/bin/bash', MISC / 'check_machine.sh', *arguments],
        env={'PATH': str(path), **env},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH of its own: this Python, a C++ compiler, a shim that doesn't run."""
    (tmp_path / 'python3').symlink_to(sys._base_executable)
    for name, status in (('python3.11', 127), ('c++', 0)):
        (tmp_path / name).write_text(f'#!/bin/sh\nexit {status}\n')
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_machine_with_all_that_is_needed(tools: Path):
    run = check_machine(tools)
    assert run.returncode == 0, run.stderr
    assert Path(run.stdout.strip()).exists()


def test_no_usable_python(tools: Path):
    run = check_machine(tools, 'python3.11')
    assert run.returncode == 1
    assert 'no Python 3.11 or 3.12 among: python3.11' in run.stderr
    assert 'PYTHON=/path/to/python3.11' in run.stderr


def test_no_compiler(tools: Path):
    run = check_machine(tools, CXX='clang++-99')
    assert run.returncode == 1
    assert 'no C++ compiler (clang++-99)' in run.stderr


@pytest.mark.parametrize(
    ('fails_on', 'message'),
    [('ensurepip', "can't create virtual environments"), ('Python.h', 'no C headers')],
)
def test_python_that_lacks_a_part(tools: Path, fails_on: str, message: str):
    """A Python as Debian has it without its -venv or -dev package."""
    real = (tools / 'python3').resolve()
    (tools / 'python3').unlink()
    (tools / 'python3').write_text(
        f'#!/bin/sh\ncase "$2" in *{fails_on}*) exit 1;; esac\nexec {real} "$@"\n'
    )
    (tools / 'python3').chmod(0o755)
    run = check_machine(tools)
    assert run.returncode == 1
    assert message in run.stderr


def test_make_knows_the_targets_of_the_readme():
    run = subprocess.run(['make', 'help'], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for target in ('demo', 'test', 'env', 'lint', 'docs', 'test-slow', 'clean'):
        assert f'make {target} ' in run.stdout


def test_another_torch_replaces_the_pinned_one_alone(tmp_path: Path):
    (tmp_path / '.mmwsss-venv').touch()  # there is an environment
    file = tmp_path / 'constraints.txt'
    command = ['make', f'VENV={tmp_path}', 'TORCH=2.7.0', str(file)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    pinned = (ROOT / 'requirements' / 'constraints.txt').read_text().splitlines()
    lines = file.read_text().splitlines()
    assert lines.pop() == 'torch==2.7.0'
    removed = {line.split('==')[0] for line in pinned if line not in lines}
    assert removed == {
        'torch', 'torchvision', 'triton', 'cuda-bindings', 'cuda-pathfinder'
    }  # fmt: skip
    assert set(lines) < set(pinned)


def test_another_torch_has_an_environment_of_its_own():
    command = ['make', '--dry-run', 'env', 'TORCH=2.7.0']
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert '--constraint .venv-torch-2.7.0/constraints.txt torch' in run.stdout
