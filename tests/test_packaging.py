# Licensed under Apache-2.0.
"""Editable installs and wheels, in either order, with what `.mim` must hold.

Everything happens in a copy of the tree and in environments of its own that
see the packages of the running one, so nothing is downloaded or left behind.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
IGNORED = (
    '.git', '.venv*', '.wheels', '.cache', 'build', 'dist', '*.egg-info', '.mim',
    'work_dirs', 'tests', '_ext*', '__pycache__', '.hypothesis', '.ruff_cache',
    '.mypy_cache', 'site',
)  # fmt: skip
FOLDERS = ('configs', 'tools', 'zoo')
pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the source tree, without anything built."""

    def ignore(folder: str, names: list[str]) -> set[str]:
        ignored = shutil.ignore_patterns(*IGNORED)(folder, names)
        # data/ at the top holds data sets; elsewhere it would be code
        return set(ignored) | ({'data'} if Path(folder) == ROOT else set())

    return Path(shutil.copytree(ROOT, tmp_path / 'project', ignore=ignore))


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Python of a fresh environment that sees the running one's packages."""
    folder = tmp_path / 'env'
    venv.create(folder, with_pip=False, symlinks=True)
    version = f'python{sys.version_info.major}.{sys.version_info.minor}'
    site = folder / 'lib' / version / 'site-packages'
    # a folder named in a .pth isn't searched for further .pth files: an
    # editable mmwsss of the running environment stays out of sight
    paths = {sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}
    (site / 'outer.pth').write_text('\n'.join(paths))
    return folder / 'bin' / 'python'


def run(*command: str | Path, cwd: Path, with_ops: str = '0') -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        # another clone must not stand before the installed package
        env=os.environ | dict(MMWSSS_WITH_OPS=with_ops, PYTHONPATH=''),
    )
    assert done.returncode == 0, f'{command}\n{done.stdout}\n{done.stderr}'
    return done.stdout


def pip(python: Path, *arguments: str | Path, cwd: Path) -> str:
    common = ('--no-build-isolation', '--no-deps', '--no-index')
    return run(python, '-m', 'pip', *arguments, *common, cwd=cwd)


def install_editable(python: Path, project: Path) -> None:
    pip(python, 'install', '-e', '.', cwd=project)


def build_wheel(python: Path, project: Path) -> Path:
    dist = project / 'dist'
    pip(python, 'wheel', '-w', dist, '.', cwd=project)
    (wheel,) = dist.glob('mmwsss-*.whl')
    return wheel


def source_files(project: Path) -> set[str]:
    """What `.mim` must hold: the index and every config, tool and file of weights."""
    paths = [path for name in FOLDERS for path in (project / name).rglob('*')]
    kept = {
        path.relative_to(project).as_posix()
        for path in paths
        if path.is_file() and '__pycache__' not in path.parts
    }
    return kept | index_files(project)


def index_files(project: Path) -> set[str]:
    """What mim reads."""
    folders = [path.parent.name for path in project.glob('configs/*/metafile.yml')]
    return {'model-index.yml', *(f'metafiles/{name}.yml' for name in folders)}


def mim_files(wheel: Path, prefix: str = 'mmwsss/.mim/') -> set[str]:
    names = zipfile.ZipFile(wheel).namelist()
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def check_editable(python: Path, project: Path) -> None:
    mim = project / 'mmwsss' / '.mim'
    for name in FOLDERS:
        assert (mim / name).is_symlink()
        assert (mim / name).resolve() == project / name
    assert not (mim / 'model-index.yml').is_symlink()
    assert (project / '.mim').resolve() == mim  # where mim looks
    index = yaml.safe_load((mim / 'model-index.yml').read_text())['Import']
    assert {'model-index.yml', *index} == index_files(project)
    text = ''.join((mim / name).read_text() for name in index)
    # without an address there is none, but all else
    assert '\n    Weights:' not in text and text.count('\n    Config: configs/') > 30
    found = run(
        python, '-c', 'import mmwsss; print(mmwsss.__file__)', cwd=project.parent
    )
    assert Path(found.strip()) == project / 'mmwsss' / '__init__.py'


def check_wheel(wheel: Path, project: Path) -> None:
    assert mim_files(wheel) == source_files(project)
    with zipfile.ZipFile(wheel) as archive:
        assert not any(info.external_attr >> 28 == 0o12 for info in archive.infolist())
        names = set(archive.namelist())
    packed = {name for name in names if name.startswith('mmwsss/')}
    for path in (project / 'mmwsss').rglob('*'):
        if path.suffix in {'.py', '.txt'} and '.mim' not in path.parts:
            assert path.relative_to(project).as_posix() in packed
    assert 'mmwsss/py.typed' in packed  # type checkers look for it
    top = {name.split('/')[0] for name in names}
    (info,) = (name for name in top if name.endswith('.dist-info'))
    assert top == {'mmwsss', info}
    # mim takes the first folder that pip has recorded for the package: this one
    assert mim_files(wheel, f'{info}/.mim/') == index_files(project)


def requirements(name: str) -> set[str]:
    """Requirement lines of `requirements/<name>.txt`, without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return {line.split('#')[0].strip() for line in lines} - {''}


def check_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith('/METADATA'))
        metadata = message_from_bytes(archive.read(name))
    version = (ROOT / 'mmwsss' / 'version.py').read_text()
    assert f"__version__ = '{metadata['Version']}'" in version
    assert SpecifierSet(metadata['Requires-Python']) == SpecifierSet('>=3.11,<3.13')
    found: dict[str, set[Requirement]] = {}
    for line in metadata.get_all('Requires-Dist'):
        requirement = Requirement(line)
        extra = re.search(r'extra == "(\w+)"', line)
        requirement.marker = None
        found.setdefault(extra[1] if extra else 'runtime', set()).add(requirement)
    assert found == {
        name: set(map(Requirement, requirements(name)))
        for name in (
            *('runtime', 'tests', 'docs', 'demo', 'deploy'),
            'optional',
            *('tiff', 'app', 'browser'),
        )
    }


# As mim does it. (mmengine's `get_config('package::...')` has a fixed list of
# packages, of which mmwsss is none.)
LOAD_CONFIG = """
from pathlib import Path
from mmengine import Config
from mmengine.utils import get_installed_path
folder = Path(get_installed_path('mmwsss'))
Config.fromfile(folder / '.mim' / {name!r})
print(folder)
"""


def load_a_config(python: Path, project: Path) -> Path:
    """Load a config as a user of the installed package does; its folder."""
    config = min((project / 'configs' / 'toco').glob('*.py'))
    code = LOAD_CONFIG.format(name=f'configs/toco/{config.name}')
    output = run(python, '-c', code, cwd=project.parent)
    return Path(output.strip().splitlines()[-1])


def test_editable_then_wheel(project: Path, python: Path):
    install_editable(python, project)
    check_editable(python, project)
    assert load_a_config(python, project) == project / 'mmwsss'

    wheel = build_wheel(python, project)
    check_wheel(wheel, project)
    check_editable(python, project)  # and the wheel has left it alone

    pip(python, 'install', wheel, cwd=project.parent)
    installed = load_a_config(python, project)
    assert installed.parent.name == 'site-packages'
    assert not (installed / '.mim' / 'configs').is_symlink()


# Without the clone: the networks of zoo/ come with the package.
SEGMENT = """
import mmwsss
from mmwsss.apis import WSSSInferencer
name = 'deeplabv3_deit-t_animals-pseudo'
WSSSInferencer(name, device='cpu')('photo.png', out_dir='out')
print(mmwsss.__file__)
"""


def test_an_installed_wheel_segments_a_photo(project: Path, python: Path):
    data = pytest.importorskip('skimage.data')
    folder = project.parent / 'elsewhere'
    folder.mkdir()
    wheel = shutil.move(build_wheel(python, project), folder)
    shutil.rmtree(project)
    pip(python, 'install', wheel, cwd=folder)
    Image.fromarray(data.chelsea()).save(folder / 'photo.png')
    said = run(python, '-c', SEGMENT, cwd=folder).strip().splitlines()[-1]
    assert 'site-packages' in said
    with Image.open(folder / 'out/photo.png') as mask:
        assert (mask.mode, mask.size) == ('P', (451, 300))
        assert 1 in set(mask.getdata())  # a cat


def test_wheel_then_editable(project: Path, python: Path):
    wheel = build_wheel(python, project)
    check_wheel(wheel, project)
    check_metadata(wheel)
    assert not (project / 'mmwsss' / '.mim').exists()

    pip(python, 'install', wheel, cwd=project.parent)
    install_editable(python, project)
    check_editable(python, project)
    assert load_a_config(python, project) == project / 'mmwsss'
    install_editable(python, project)  # once more, over itself
    check_editable(python, project)

    # the build folder that the first wheel has left must not bring back a file
    min((project / 'configs' / 'toco').glob('*.py')).unlink()
    wheel.unlink()
    check_wheel(build_wheel(python, project), project)


def test_source_archive_builds_the_same_wheel(project: Path, python: Path):
    install_editable(python, project)  # its links must not travel
    run(python, 'setup.py', '-q', 'sdist', cwd=project)
    (archive,) = (project / 'dist').glob('mmwsss-*.tar.gz')
    unpacked = project.parent / 'unpacked'
    shutil.unpack_archive(archive, unpacked)
    (source,) = unpacked.iterdir()
    assert not (source / 'mmwsss' / '.mim').exists()
    check_wheel(build_wheel(python, source), project)


def test_install_pulls_nothing_into_a_complete_environment(project: Path, python: Path):
    report = project.parent / 'report.json'
    command = ('install', '--dry-run', '--no-index', '--no-build-isolation')
    options = ('--report', report, '-e', '.')
    run(python, '-m', 'pip', *command, *options, cwd=project)
    names = [
        item['metadata']['name'] for item in json.loads(report.read_text())['install']
    ]
    assert names == ['mmwsss']


def test_mmcv_is_no_requirement():
    for name in ('runtime', 'tests', 'docs', 'demo', 'optional'):
        assert not any('mmcv' in line for line in requirements(name)), name


# Run where neither the project's folder nor an editable install is in sight.
INFO = """
import mmwsss.ops
print(mmwsss.ops.get_build_info()['file'])
"""


def test_wheel_with_compiled_operators(project: Path, python: Path):
    dist = project / 'dist'
    command = ('-m', 'pip', 'wheel', '--no-build-isolation', '--no-deps', '-w', dist)
    run(python, *command, '.', cwd=project, with_ops='1')
    (wheel,) = dist.glob('mmwsss-*.whl')
    # one wheel for every Python from 3.11 on, but for one torch
    assert 'cp311-abi3-linux' in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert {'mmwsss/_ext.abi3.so', 'mmwsss/_ext_build.json'} <= set(names)
    assert not any('csrc' in name for name in names)
    pip(python, 'install', wheel, cwd=project.parent)
    file = run(python, '-c', INFO, cwd=project.parent, with_ops='1')
    assert file.strip().endswith('site-packages/mmwsss/_ext.abi3.so')


def test_without_a_compiler_the_install_still_works(project: Path, python: Path):
    command = (python, 'setup.py', 'build_ext', '--inplace')
    env = os.environ | dict(CXX='false', CC='false')
    for wanted, status in (('auto', 0), ('1', 1)):
        done = subprocess.run(
            list(map(str, command)),
            cwd=project,
            capture_output=True,
            text=True,
            env=env | dict(MMWSSS_WITH_OPS=wanted),
        )
        assert (done.returncode != 0) == bool(status), done.stderr
        assert 'operators' in done.stderr
        records = [json.loads(p.read_text()) for p in project.glob('mmwsss/_ext*')]
        # what pip prints is rarely seen: a note stays
        assert [list(record) for record in records] == [['failed']] * (wanted == 'auto')
