# Licensed under Apache-2.0.
"""How `make docs` builds the site: Sphinx, with the Markdown as it is.

The source folder is the repository, so that a link works on the site as it does
in the repository, and the README of a config folder is a page of the site.
The menu is the list of links in docs/en/index.md.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
INDEX = ROOT / 'docs' / 'en' / 'index.md'

project = 'mmwsss'
author = 'mmwsss contributors'
extensions = ['myst_parser']
root_doc = 'README'
include_patterns = ['*.md', 'docs/en/**.md', 'configs/*/*.md', 'zoo/*.md']
# folders that needn't be searched
exclude_patterns = ['.*', 'mmwsss', 'tests', 'tools', 'data', 'work_dirs', 'site']
myst_heading_anchors = 4
html_theme = 'furo'
html_title = 'mmwsss'
html_extra_path = ['index.html']  # leads to the first page


def menu() -> str:
    """A table of contents, hidden on the page, of what docs/en/index.md lists.

    Returns:
        Markdown with paths relative to the root of the repository.
    """
    targets = re.findall(r'\]\((?!\w+:)([^)#]+)\.md\)', INDEX.read_text())
    pages = [INDEX.parent / target for target in ('index', *targets)]
    names = [page.resolve().relative_to(ROOT).as_posix() for page in pages]
    names += ['CHANGELOG', 'CONTRIBUTING']
    return '\n'.join(['\n\n```{toctree}', ':hidden:', '', *names, '```\n'])


def add_menu(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the menu to the first page."""
    if page == root_doc:
        source[0] += menu()


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect('source-read', add_menu)
