# Licensed under Apache-2.0.
"""Links of the Markdown files: the file is there, and so is the heading."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.helpers.markdown import anchors, links, page_id, pages


@cache
def anchors_of(path: Path) -> set[str]:
    return anchors(path.read_text('utf-8'))


def broken(page: Path) -> list[str]:
    """Links of a page that lead nowhere."""
    found = []
    for link in links(page.read_text('utf-8')):
        name, _, anchor = link.partition('#')
        target = (page.parent / name).resolve() if name else page
        if not target.exists():
            found.append(f'{link}: no such file')
        elif anchor and target.suffix == '.md' and anchor not in anchors_of(target):
            found.append(f'{link}: no such heading in {target.name}')
    return found


@pytest.mark.parametrize('page', pages(), ids=page_id)
def test_links_lead_somewhere(page) -> None:
    assert not broken(page)


def test_broken_links_are_seen(tmp_path) -> None:
    page = tmp_path / 'page.md'
    page.write_text(
        '# One\n[a](page.md#one) [b](#one-1) [c](https://any.org/x) `[d](none)`\n'
        '## One\n[![e](none.png)](page.md) [f](other.md)\n```\n[g](none)\n```\n'
        '[h](page.md#two)\n'
    )
    assert broken(page) == [
        'none.png: no such file',
        'other.md: no such file',
        'page.md#two: no such heading in page.md',
    ]


def test_readme_stays_two_screens_long() -> None:
    [readme] = [page for page in pages() if page_id(page) == 'README.md']
    assert len(readme.read_text('utf-8').splitlines()) <= 140
