# Licensed under Apache-2.0.
"""How `make docs` builds the site: Sphinx, with the Markdown as it is.

The source folder is the repository, so that a link works on the site as it does
in the repository, and the README of a config folder is a page of the site.
The menu is that of docs/en/index.md: a heading there is a group of pages here. Pages
of docs/en that aren't listed there yet come last.

The API reference is read from the source files, without importing them: neither torch
nor the mm packages have to be installed to build the site.
"""

from __future__ import annotations

import re
from pathlib import Path
from shutil import rmtree
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs' / 'en'
INDEX = DOCS / 'index.md'
#: rooms that are written for use from outside; the others serve the tools
ROOMS = {
    'apis',
    'cam',
    'datasets',
    'engine',
    'evaluation',
    'labelers',
    'methods',
    'models',
    'ops',
    'structures',
    'testing',
}  # fmt: skip
#: packages that collect their names: one page for all that they give
COLLECTING = {'apis', 'cam', 'ops', 'structures'}
#: pages that stand outside the list
FIRST, LAST = ['docs/en/index'], ['CHANGELOG', 'CONTRIBUTING', 'README_zh-CN']

project = 'mmwsss'
author = 'mmwsss contributors'
extensions = ['myst_parser', 'sphinx.ext.napoleon', 'autoapi.extension']
root_doc = 'README'
include_patterns = [
    '*.md', 'docs/en/**.md', 'docs/zh_cn/**.md', 'docs/api/**.rst', 'configs/*/*.md',
    'zoo/*.md',
]  # fmt: skip
# folders that needn't be searched
exclude_patterns = ['.*', 'mmwsss', 'tests', 'tools', 'data', 'work_dirs', 'site']
myst_heading_anchors = 4
html_theme = 'furo'
html_title = 'mmwsss'
html_extra_path = ['index.html']  # leads to the first page
html_show_sourcelink = False
html_math_renderer = 'mathml'  # below: browsers know it, nothing is fetched

autoapi_dirs = [str(ROOT / 'mmwsss')]
autoapi_root = 'docs/api'  # written for the build, then deleted
autoapi_add_toctree_entry = False  # api.md has it
autoapi_options = ['members', 'imported-members', 'show-inheritance']
autoapi_python_class_content = 'both'
napoleon_numpy_docstring = False
suppress_warnings = [
    'autoapi.python_import_resolution',  # compiled modules, and those left out
    'ref.python',  # a name of a docstring that two rooms have
]


def menu() -> str:
    """The menu: tables of contents, hidden on the page.

    Returns:
        Markdown with paths relative to the root of the repository.
    """
    groups, seen = {'': FIRST}, {*FIRST, *LAST}
    caption = ''
    for line in INDEX.read_text('utf-8').splitlines():
        caption = line.removeprefix('## ') if line.startswith('## ') else caption
        for target in re.findall(r'\]\((?!\w+:)([^)#]+)\.md\)', line):
            page = (DOCS / target).resolve().relative_to(ROOT).as_posix()
            if page not in seen:
                groups.setdefault(caption, []).append(page)
            seen.add(page)
    there = [p.relative_to(ROOT).with_suffix('').as_posix() for p in DOCS.glob('*.md')]
    rest = sorted(set(there) - seen)
    return ''.join(
        toctree(pages, ':hidden:', *([f':caption: {caption}'] * bool(caption)))
        for caption, pages in [*groups.items(), ('More', [*rest, *LAST])]
        if pages
    )


def toctree(pages: list[str], *options: str) -> str:
    """A table of contents in MyST."""
    return '\n'.join(['\n\n```{toctree}', *options, '', *pages, '```\n'])


def add_menu(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the menu to the first page, and the reference to its own."""
    if page == root_doc:
        source[0] += menu()
    elif page == 'docs/en/api':
        source[0] += toctree(['/docs/api/mmwsss/index'], ':maxdepth: 3')


def leave_out(
    app: Sphinx, what: str, name: str, found: Any, skip: bool, options: list[str]
) -> bool:
    """Whether the reference leaves an object out.

    Args:
        what: ``'module'``, ``'class'``, ...
        name: with dots, such as ``mmwsss.ops.par``.
        found: what was read.
        skip: what autoapi would do.
    """
    rooms = name.split('.')[1:]
    if what in ('module', 'package'):
        if rooms and (rooms[0] not in ROOMS or rooms[-1].startswith('_')):
            return True
        return len(rooms) > 1 and rooms[0] in COLLECTING
    if getattr(found, 'imported', False) and rooms[0] not in COLLECTING:
        return True
    return skip


def write_formula(writer: Any, node: nodes.Node) -> None:
    """Write a formula as MathML.

    Raises:
        nodes.SkipNode: always; the formula is written, what is in it isn't to be.
    """
    formula = re.sub(r'\\[bB]igg?(?![a-zA-Z])', '', node.astext())  # sizes of brackets
    formula = re.sub(r'\\frac(\d)(\d)', r'\\frac{\1}{\2}', formula)  # misread else
    block = isinstance(node, nodes.math_block)
    writer.body.append(tex2mathml(formula, as_block=block))
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    rmtree(ROOT / autoapi_root, ignore_errors=True)  # left by a build that was killed
    renderer = (write_formula, None)
    app.add_html_math_renderer('mathml', renderer, renderer)
    app.connect('source-read', add_menu)
    app.connect('autoapi-skip-member', leave_out)
