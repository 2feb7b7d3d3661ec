# Licensed under Apache-2.0.
"""The menu and the formulas of the site; `make docs` builds it."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from types import ModuleType, SimpleNamespace

import pytest

from tests.helpers import ROOT

pytest.importorskip('sphinx', reason='make docs installs it')
nodes = pytest.importorskip('docutils.nodes')


@pytest.fixture
def conf() -> ModuleType:
    spec = importlib.util.spec_from_file_location('docs_conf', ROOT / 'docs/conf.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries(menu: str) -> list[str]:
    return [line for line in menu.splitlines() if re.fullmatch(r'[\w./-]+', line)]


def test_every_page_is_in_the_menu_once(conf) -> None:
    found = Counter(entries(conf.menu()))
    there = {f'docs/en/{path.stem}' for path in (ROOT / 'docs/en').glob('*.md')}
    methods = {f'configs/{p.parent.name}/README' for p in ROOT.glob('configs/*/*.md')}
    assert there | methods <= set(found)
    assert set(found.values()) == {1}
    assert not [page for page in found if not (ROOT / f'{page}.md').is_file()]


def test_a_page_that_is_not_listed_comes_last(conf, tmp_path, monkeypatch) -> None:
    docs = tmp_path / 'docs/en'
    docs.mkdir(parents=True)
    (docs / 'index.md').write_text('## Begin\n1. [One](one.md#part) [two](one.md)\n')
    (docs / 'one.md').write_text('# One\n')
    (docs / 'new.md').write_text('# New\n')
    for name, value in dict(ROOT=tmp_path, DOCS=docs, INDEX=docs / 'index.md').items():
        monkeypatch.setattr(conf, name, value)
    text = conf.menu()
    assert entries(text) == [*conf.FIRST, 'docs/en/one', 'docs/en/new', *conf.LAST]
    assert text.index(':caption: Begin') < text.index('docs/en/one')
    assert text.index(':caption: More') < text.index('docs/en/new')


@pytest.mark.parametrize(
    ('formula', 'written'),
    [
        (r'\frac12\|f\|', '<mn>1</mn>'),
        (r'\Big(\frac{a}{b}\Big)', '<mfrac>'),
    ],
)
def test_formulas_need_no_script(conf, formula, written) -> None:
    body: list[str] = []
    node = nodes.math_block('', formula)
    with pytest.raises(nodes.SkipNode):
        conf.write_formula(SimpleNamespace(body=body), node)
    assert written in body[0] and body[0].startswith('<math')
