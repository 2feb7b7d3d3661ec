# Licensed under Apache-2.0.
"""The page as a browser shows it, at the width of a desk and of a phone."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from mmwsss.testing import run_tool

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which('chromium')


@pytest.fixture(scope='module')
def browser():
    api = pytest.importorskip('playwright.sync_api', reason='the extra "browser"')
    if CHROMIUM is None:
        pytest.skip('chromium is not installed')
    with api.sync_playwright() as playwright:
        # a container's root may not use the sandbox
        found = playwright.chromium.launch(
            executable_path=CHROMIUM, args=['--no-sandbox']
        )
        yield found
        found.close()


@pytest.fixture(scope='module')
def written(finished, make_run, tmp_path_factory):
    """The pages of a run and of two."""
    folder = tmp_path_factory.mktemp('pages')
    other = make_run('other')
    tool = 'tools/analysis_tools/report.py'
    run_tool(tool, finished, '--shown', 2, '--out', folder / 'one.html')
    run_tool(tool, finished, other, '--shown', 2, '--out', folder / 'two.html')
    return folder


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('size', [(1400, 900), (390, 844)])
@pytest.mark.parametrize('name', ['one', 'two'])
def test_it_opens_without_a_word_on_the_console(
    browser, written, name, size, scheme
) -> None:
    page = browser.new_page(
        viewport=dict(width=size[0], height=size[1]), color_scheme=scheme
    )
    said: list[str] = []
    asked: list[str] = []
    page.on('console', lambda message: said.append(message.text))
    page.on('pageerror', lambda error: said.append(str(error)))
    page.on('request', lambda request: asked.append(request.url))
    page.goto(f'file://{written / name}.html')
    assert page.evaluate(
        'document.documentElement.scrollWidth <= document.documentElement.clientWidth'
    )
    card = page.locator('details.card').first
    hidden = card.get_by_text('pseudo label').first
    assert not hidden.is_visible()
    card.locator('summary').focus()
    page.keyboard.press('Enter')  # no mouse is needed
    assert hidden.is_visible()
    widths = page.evaluate('[...document.images].map(image => image.naturalWidth)')
    assert len(widths) > 10
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot(full_page=True))))
    assert (shot[2, 2, :3] > 128).all() == (scheme == 'light')
    assert not said
    # the page itself, and nothing else, is fetched
    assert [url for url in asked if not url.startswith('data:')] == [
        f'file://{written / name}.html'
    ]
    page.close()
