# Licensed under Apache-2.0.
"""Old paths: each gives what it gave, or says where that is now."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pkgutil import resolve_name

import pytest

from mmwsss.moved import GONE, MOVED, MOVED_NAMES, PREFIX
from tests.helpers import ROOT


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Old paths as at their first import, and no warning in the way."""
    before = dict(sys.modules)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', FutureWarning)
        yield
    for name in set(sys.modules) - set(before):
        if name.removeprefix(PREFIX) in MOVED:
            del sys.modules[name]


def get(path: str):
    """``from module import name``."""
    module, _, name = path.rpartition('.')
    scope: dict = {}
    exec(f'from {PREFIX}{module} import {name}', scope)
    return scope[name]


@pytest.mark.parametrize('old', MOVED_NAMES)
def test_names_that_went_elsewhere(old: str) -> None:
    module, _, name = MOVED_NAMES[old].rpartition('.')
    assert get(old) is getattr(importlib.import_module(PREFIX + module), name)


@pytest.mark.parametrize('old', GONE)
def test_what_is_gone_names_its_successor(old: str) -> None:
    with pytest.raises(ImportError, match=r'is gone; instead: .*migration\.md'):
        get(old)
    for path in re.findall(r'mmwsss[\w.]*\w', GONE[old]):  # what is named is there
        assert resolve_name(path), path


def test_every_module_is_where_the_table_says() -> None:
    for old, new in MOVED.items():
        module = importlib.import_module(PREFIX + old)
        now = importlib.import_module(PREFIX + new)
        public = [name for name in vars(now) if not name.startswith('__')]
        assert all(getattr(module, k) is getattr(now, k) for k in public), old


def test_packages_that_collect_nothing() -> None:
    with pytest.raises(ImportError, match='collects no names .* import DenseCRF from'):
        get('models.refiners.DenseCRF')
    assert get('models.refiners.dense_crf').DenseCRF


def test_unknown_names_stay_unknown() -> None:
    with pytest.raises(ImportError, match='cannot import name'):
        get('cam.refine.nothing')


def test_the_doctor_by_its_old_name() -> None:
    run = [sys.executable, '-m', 'mmwsss.utils.collect_env', '--help']
    old = subprocess.run(run, capture_output=True, text=True, cwd=ROOT)
    run[2] = 'mmwsss.env.doctor'
    new = subprocess.run(run, capture_output=True, text=True, cwd=ROOT)
    assert old.returncode == new.returncode == 0, old.stderr
    assert old.stdout == new.stdout
    assert 'is mmwsss.env.doctor now' in old.stderr
