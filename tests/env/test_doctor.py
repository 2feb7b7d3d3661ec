# Licensed under Apache-2.0.
"""The doctor, on made-up environments."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmwsss.env.doctor import collect_env, format_problems
from mmwsss.env.env_facts import EnvFacts, Extension
from mmwsss.env.env_problems import find_problems

ROOT = Path(__file__).resolve().parents[2]
GOOD = EnvFacts(
    python=(3, 11),
    versions={
        'torch': '2.11.0+cu130',
        'torchvision': '0.26.0',
        'onedl-mmengine': '0.10.12',
        'onedl-mmcv': '2.3.6',
        'onedl-mmsegmentation': '1.4.2',
        'onedl-mmpretrain': '1.3.6',
        'opencv-python': '5.0.0.93',
    },
    mmcv_ops=Extension(path='mmcv/_ext.so'),
    torch_cuda='13.0',
)


def changed(versions: dict[str, str | None] | None = None, **fields) -> EnvFacts:
    """The good environment with other versions (None removes) or fields."""
    merged = {**GOOD.versions, **(versions or {})}
    kept = {name: version for name, version in merged.items() if version is not None}
    return dataclasses.replace(GOOD, versions=kept, **fields)


def the_problem(facts: EnvFacts):
    problems = find_problems(facts)
    assert len(problems) == 1, [problem.what for problem in problems]
    return problems[0]


def test_good_environment_has_no_problem():
    assert find_problems(GOOD) == []
    report = collect_env(GOOD)
    assert 'No problem found.' in report
    assert 'OneDL: onedl-mmcv 2.3.6' in report
    assert 'compiled for the CPU' in report


@pytest.mark.parametrize('python', [(3, 10), (3, 13)])
def test_python_out_of_range(python):
    problem = the_problem(changed(python=python))
    assert f'Python {python[0]}.{python[1]}' in problem.what


def test_old_torch():
    problem = the_problem(changed({'torch': '2.6.0+cu124'}))
    assert '2.6.0' in problem.what
    assert 'constraints.txt torch torchvision' in problem.fix


def test_nothing_installed():
    facts = EnvFacts(python=(3, 12), versions={})
    assert len(find_problems(facts)) == 5  # torch and the four mm packages
    assert 'missing' in collect_env(facts)


def test_both_families_are_removed_before_one_is_installed():
    problem = the_problem(changed({'mmsegmentation': '1.2.2'}))
    assert 'onedl-mmsegmentation and mmsegmentation' in problem.what
    uninstall, install = problem.fix.split(' && ')
    assert uninstall == 'pip uninstall -y onedl-mmsegmentation mmsegmentation'
    assert install.endswith('onedl-mmsegmentation')


def test_one_upstream_package_among_onedl_ones():
    problem = the_problem(changed({'onedl-mmengine': None, 'mmengine': '0.10.7'}))
    assert problem.fatal
    assert problem.what.startswith('mmengine: upstream')


def test_upstream_throughout_is_a_note():
    upstream = {
        'mmengine': '0.10.7', 'mmcv': '2.1.0',
        'mmsegmentation': '1.2.2', 'mmpretrain': '1.2.0',
    }  # fmt: skip
    removed = {name: None for name in GOOD.versions if name.startswith('onedl-')}
    problem = the_problem(changed({**removed, **upstream}))
    assert not problem.fatal
    assert 'mmengine, mmcv, mmsegmentation, mmpretrain' in problem.what


def test_mmcv_without_operators():
    problem = the_problem(changed(mmcv_ops=Extension()))
    assert 'no compiled operators' in problem.what
    assert '--no-build-isolation --no-cache-dir' in problem.fix


def test_mmcv_built_for_another_torch():
    error = 'ImportError: _ext.so: undefined symbol: _ZNK3c105Error4whatEv'
    problem = the_problem(changed(mmcv_ops=Extension('_ext.so', error)))
    assert 'built for another torch' in problem.what
    assert '--force-reinstall --no-deps onedl-mmcv' in problem.fix


@pytest.mark.parametrize(
    ('archs', 'fine'),
    [((), False), (('sm_80',), False), (('sm_90',), True), (('compute_80',), True)],
)
def test_gpu_needs_code_for_its_architecture(archs, fine):
    ops = Extension('_ext.so', archs=archs)
    facts = changed(mmcv_ops=ops, gpus=(('H200', (9, 0)),))
    if fine:
        assert find_problems(facts) == []
    else:
        problem = the_problem(facts)
        assert not problem.fatal
        assert 'TORCH_CUDA_ARCH_LIST=9.0' in problem.fix


def test_opencv_without_libgl():
    error = 'ImportError: libGL.so.1: cannot open shared object file'
    problem = the_problem(changed(import_errors={'cv2': error, 'mmcv': error}))
    assert 'opencv-python-headless==5.0.0.93' in problem.fix


def test_mm_package_that_refuses_to_load():
    errors = {'mmseg': 'AssertionError: MMCV==2.3.6 is used but incompatible'}
    problem = the_problem(changed(import_errors=errors))
    assert 'mmseg does not load: AssertionError' in problem.what


def test_fix_names_the_pip_of_this_interpreter():
    text = format_problems(find_problems(changed({'mmengine': '0.10.7'})))
    assert text.count(' -m pip ') == 2


def write_distribution(folder: Path, name: str, version: str) -> None:
    info = folder / f'{name.replace("-", "_")}-{version}.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(
        f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
    )


def test_doctor_as_a_command_on_a_broken_mmcv(tmp_path):
    """A shadowing mmcv of both families, with an extension that can't load."""
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / '_ext.so').write_bytes(b'not a library')
    write_distribution(tmp_path, 'onedl-mmcv', '2.3.6')
    write_distribution(tmp_path, 'mmcv', '2.1.0')
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    run = subprocess.run(
        [sys.executable, '-m', 'mmwsss.env.doctor'],
        env={**os.environ, 'PYTHONPATH': path},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.returncode == 1, run.stderr
    assert 'onedl-mmcv and mmcv overwrite each other' in run.stdout
    assert "mmcv's operators do not load" in run.stdout
