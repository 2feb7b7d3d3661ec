# Licensed under Apache-2.0.
"""Rules of this project that a machine can check, cheaply."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

from mmwsss.methods.toco.toco import ToCo
from tests.helpers.own_files import is_own, own_files

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mmwsss'
MM_STACK = {'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'mmdet'}
SOURCES = sorted(PACKAGE.rglob('*.py'))
CONFIG_FOLDERS = sorted(
    folder
    for folder in (ROOT / 'configs').glob('*')
    if is_own(folder) and folder.is_dir() and not folder.name.startswith(('_', '.'))
)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'), filename=str(path))


def where(path: Path, node: ast.AST) -> str:
    return f'{path.relative_to(ROOT)}:{getattr(node, "lineno", 1)}'


def imported(path: Path) -> list[tuple[str, ast.stmt]]:
    """Absolute names of the modules a file imports, with the statement."""
    package = list(path.relative_to(ROOT).with_suffix('').parts[:-1])
    names = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = '.'.join([*base, *filter(None, [node.module])])
            names += [(f'{module}.{alias.name}', node) for alias in node.names]
    return names


def test_sources_are_found():
    assert len(SOURCES) > 10


def test_no_print_and_no_path_games():
    bad = []
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id == 'print':
                    bad.append(f'{where(path, node)} print')
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if (node.value.id, node.attr) == ('sys', 'path'):
                    bad.append(f'{where(path, node)} sys.path')
            elif isinstance(node, ast.Global):
                bad.append(f'{where(path, node)} global')
    assert not bad, bad


def test_files_are_short():
    """p90 of the files of the package and the tools: at most 300 lines."""
    paths = [*SOURCES, *sorted((ROOT / 'tools').rglob('*.py'))]
    lengths = sorted((len(p.read_text().splitlines()), p.name) for p in paths)
    assert lengths[int(0.9 * (len(lengths) - 1))][0] <= 300, lengths[-8:]


#: room: those that it may import from besides itself; a room is above all of them
ROOMS: dict[str, set[str]] = {
    'env': {'version'},
    'io': {'version'},
    'ops': {'_ext'},
    'structures': set(),
    'cam': {'ops', 'structures'},
}
ROOMS['visualization'] = {'io', 'registry'}
ROOMS['datasets'] = {'cam', 'io', 'registry', 'structures'}
ROOMS['evaluation'] = {'cam', 'io', 'registry'}
ROOMS['engine'] = {'io', 'registry', 'structures', 'visualization'}
ROOMS['labelers'] = {'cam', 'io', 'ops', 'registry', 'structures'}
ROOMS['models'] = {'cam', 'io', 'labelers', 'ops', 'registry', 'structures'}
ROOMS['methods'] = {'models', *ROOMS['models']}
ROOMS['cli'] = {'env', 'io', 'models', 'registry'}
ROOMS['pipeline'] = {'registry', 'version', *ROOMS} - {'methods', 'env'}
ROOMS['apis'] = {'registry', 'version', *ROOMS} - {'methods', 'env'}
#: the testers see everything; nobody imports them
ROOMS['testing'] = {'registry', 'version', *ROOMS}


def foreign(folder: Path, allowed: set[str]) -> list[str]:
    """Imports of rooms beside a folder's that aren't allowed."""
    beside = '.'.join(folder.relative_to(ROOT).parts[:-1])
    allowed = allowed | {folder.name}
    return [
        f'{where(path, node)} {name}'
        for path in sorted(folder.rglob('*.py'))
        for name, node in imported(path)
        if name.startswith(f'{beside}.')
        and name.removeprefix(f'{beside}.').split('.')[0] not in allowed
    ]


def test_rooms_import_only_rooms_below_them():
    folders = {p.name for p in PACKAGE.iterdir() if (p / '__init__.py').is_file()}
    assert folders == set(ROOMS)
    bad = [
        line
        for name, allowed in ROOMS.items()
        for line in foreign(PACKAGE / name, allowed)
    ]
    assert not bad, bad


def test_methods_do_not_import_each_other():
    folders = [p.parent for p in (PACKAGE / 'methods').glob('*/__init__.py')]
    assert len(folders) > 6
    bad = [line for folder in folders for line in foreign(folder, set())]
    assert not bad, bad


def test_generating_and_refining_stand_beside_each_other():
    """What both need lies below them."""
    for one, other in (('generate', 'refine'), ('refine', 'generate')):
        bad = [
            f'{where(path, node)} {name}'
            for path in sorted((PACKAGE / 'pipeline' / one).rglob('*.py'))
            for name, node in imported(path)
            if name.startswith(f'mmwsss.pipeline.{other}.')
        ]
        assert not bad, bad


def test_testers_stand_on_their_own():
    """A package outside has no folder ``tests`` of ours; nothing else needs pytest."""
    names = [(path, name) for path in SOURCES for name, _ in imported(path)]
    testing = PACKAGE / 'testing'
    assert not [path for path, name in names if name.split('.')[0] == 'tests']
    users = {path for path, name in names if name.split('.')[0] == 'pytest'}
    assert users and all(path.is_relative_to(testing) for path in users)


def test_a_file_name_stands_once():
    names = Counter(p.name for p in SOURCES if p.name != '__init__.py')
    assert not [name for name, count in names.items() if count > 1]


def test_no_class_is_swapped():
    assert not [str(p) for p in SOURCES if '__class__ =' in p.read_text()]


@pytest.mark.parametrize('room', ['ops', 'cam', 'structures'])
def test_low_rooms_know_nothing_of_the_mm_stack(room):
    bad = [
        f'{where(path, node)} {name}'
        for path in sorted((PACKAGE / room).rglob('*.py'))
        for name, node in imported(path)
        if name.split('.')[0] in MM_STACK
    ]
    assert not bad, bad


@pytest.mark.parametrize(
    'module', ['mmwsss', 'mmwsss.ops', 'mmwsss.cam', 'mmwsss.env.env_facts']
)
def test_import_without_the_mm_stack(module):
    code = (
        f'import {module}, sys\n'
        f'sys.exit(", ".join(set(sys.modules) & {MM_STACK!r}) or 0)'
    )
    run = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, f'{module} imports {run.stderr}'


def public_objects(path: Path) -> list[tuple[str, bool]]:
    """(place, has a docstring) of a file's public classes and functions."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = []
    for node in tree(path).body:
        if not isinstance(node, kinds) or node.name.startswith('_'):
            continue
        found.append(
            (f'{where(path, node)} {node.name}', bool(ast.get_docstring(node)))
        )
        if isinstance(node, ast.ClassDef):
            found += [
                (f'{where(path, child)} {node.name}.{child.name}',
                 bool(ast.get_docstring(child)))
                for child in node.body
                if isinstance(child, kinds) and not child.name.startswith('_')
            ]  # fmt: skip
    return found


def test_public_api_is_documented():
    objects = [entry for path in SOURCES for entry in public_objects(path)]
    bare = [place for place, documented in objects if not documented]
    assert len(bare) <= 0.15 * len(objects), f'{len(bare)}/{len(objects)}: {bare}'


def test_modules_name_the_licence():
    first = '# Licensed under Apache-2.0.'
    bad = [str(p) for p in SOURCES if p.read_text().split('\n', 1)[0] != first]
    assert not bad, bad


def ruff(*arguments: str) -> subprocess.CompletedProcess:
    files = sorted(str(path) for path in own_files() if path.suffix == '.py')
    command = [sys.executable, '-m', 'ruff', *arguments, '--force-exclude', *files]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_ruff_check():
    run = ruff('check', '--output-format=concise')
    assert run.returncode == 0, run.stdout + run.stderr


def test_ruff_format():
    run = ruff('format', '--check')
    assert run.returncode == 0, run.stdout + run.stderr


def test_mypy(tmp_path):
    command = [sys.executable, '-m', 'mypy', '--cache-dir', str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_method_is_short_to_read():
    """The files of the classes that ToCo inherits from, with its own."""
    files = {
        Path(inspect.getfile(kind))
        for kind in ToCo.__mro__
        if kind.__module__.startswith('mmwsss')
    }
    assert len(files) > 1
    assert sum(len(file.read_text().splitlines()) for file in files) <= 600


def metafile(folder: Path) -> dict:
    return yaml.safe_load((folder / 'metafile.yml').read_text(encoding='utf-8'))


@pytest.mark.parametrize('folder', CONFIG_FOLDERS, ids=lambda folder: folder.name)
def test_config_folder_is_described(folder):
    assert (folder / 'README.md').is_file()
    collections = {entry['Name'] for entry in metafile(folder)['Collections']}
    for model in metafile(folder)['Models']:
        config = ROOT / model['Config']
        assert config.is_file(), f'{folder.name}/metafile.yml: no {model["Config"]}'
        # `mim download --config NAME` looks the entry up by its name
        assert model['Name'] == config.stem
        assert model['In Collection'] in collections
        if 'Weights' not in model:
            assert model['Metadata'].get('Weights') == 'none released', (
                f'{model["Name"]}: give Weights, or Metadata: Weights: none released'
            )


def test_model_index_and_readme_follow_the_metafiles():
    script = ROOT / 'tools' / 'misc' / 'update_model_index.py'
    run = subprocess.run(
        [sys.executable, script, '--check'], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    listed = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    assert listed == [
        f'configs/{folder.name}/metafile.yml' for folder in CONFIG_FOLDERS
    ]


def test_every_config_is_in_a_metafile():
    listed = {
        model['Config']
        for folder in CONFIG_FOLDERS
        for model in metafile(folder)['Models']
    }
    there = {
        path.relative_to(ROOT).as_posix()
        for folder in CONFIG_FOLDERS
        for path in folder.glob('*.py')
        if not path.name.startswith('_') and is_own(path)
    }
    assert listed == there
