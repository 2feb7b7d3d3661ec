# Licensed under Apache-2.0.
"""YAML is data, for configs as for everything that mmengine reads."""

from __future__ import annotations

import sys

import pytest
from mmengine.config import Config
from mmengine.fileio import dump, load

import mmwsss.cli.arguments  # noqa: F401  (what all tools import)
from mmwsss.io.errors import UserError

CODE = '!!python/object/apply:os.mkdir [{!r}]'


def test_what_the_tools_import_makes_it_safe():
    assert 'mmwsss.registry' in sys.modules


@pytest.mark.parametrize('name', ['own.yaml', 'own.yml', 'own.json'])
def test_configs_run_no_code(tmp_path, name):
    ran, base = tmp_path / 'ran', tmp_path / 'base.yaml'
    base.write_text(f'a: {CODE.format(str(ran))}\n')
    (tmp_path / 'own.json').write_text('{"_base_": ["base.yaml"]}')
    for suffix in ('yaml', 'yml'):
        (tmp_path / f'own.{suffix}').write_text(base.read_text())
    with pytest.raises(UserError, match=r'holds a tag that would run code.*line 1'):
        Config.fromfile(tmp_path / name)
    assert not ran.exists()


def test_plain_yaml_is_read(tmp_path):
    (tmp_path / 'base.yaml').write_text('a: 1\nb: [x, y]\n')
    (tmp_path / 'own.yaml').write_text('_base_: [base.yaml]\nb: [z]\n')
    assert Config.fromfile(tmp_path / 'own.yaml').to_dict() == dict(a=1, b=['z'])
    dump(dict(a=[1, 'x']), tmp_path / 'out.yaml')
    assert load(tmp_path / 'out.yaml') == dict(a=[1, 'x'])
    assert load(str(tmp_path / 'out.yaml')) == dict(a=[1, 'x'])


def test_broken_yaml_is_named(tmp_path):
    (tmp_path / 'own.yaml').write_text('a: [1\n')
    with pytest.raises(UserError, match='is not valid YAML'):
        Config.fromfile(tmp_path / 'own.yaml')
