# Licensed under Apache-2.0.
"""tools/demo_app.py: what it refuses, and its page as a browser shows it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mmwsss.apis.app.page import gradio_module
from mmwsss.io.errors import UserError
from tests.helpers import ROOT
from tests.helpers.drawn_shapes import CHECKPOINT, CONFIG

CHROMIUM = shutil.which('chromium')
TOOL = ROOT / 'tools/demo_app.py'
#: seconds: other work may go on beside the tests
PATIENCE = 240


def test_without_gradio_and_with_an_old_one(monkeypatch, load_tool) -> None:
    monkeypatch.setitem(sys.modules, 'gradio', None)
    with pytest.raises(UserError, match=r'pip install "mmwsss\[app\]"'):
        load_tool(TOOL).main([])
    monkeypatch.setitem(sys.modules, 'gradio', SimpleNamespace(__version__='3.18.0'))
    with pytest.raises(UserError, match=r'Gradio 6 or newer, got 3\.18\.0'):
        gradio_module()


def test_a_config_without_its_checkpoint(monkeypatch, load_tool) -> None:
    monkeypatch.setitem(sys.modules, 'gradio', SimpleNamespace(__version__='6.0.0'))
    with pytest.raises(UserError, match='give both'):
        load_tool(TOOL).main(['--config', CONFIG])
    with pytest.raises(FileNotFoundError, match='none.pth'):
        load_tool(TOOL).main(['--config', CONFIG, '--checkpoint', 'none.pth'])


@pytest.fixture(scope='module')
def address() -> Iterator[str]:
    """Of the page; the tool is ended by Ctrl-C, and then has to end well."""
    pytest.importorskip('gradio', reason='the extra "app"')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    options = ['--port', port, '--config', CONFIG, '--checkpoint', CHECKPOINT]
    tool = subprocess.Popen(
        [sys.executable, '-u', TOOL, '--device', 'cpu', *options],
        cwd=ROOT,
        env=os.environ | dict(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # whoever runs the tests may have told its children to ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        said = ''
        for line in tool.stdout:
            said += line
            found = re.search(r'Open (http://127\.0\.0\.1:\d+/?) in', line)
            if found:
                break
        else:
            pytest.fail(said)
        yield found.group(1)
        tool.send_signal(signal.SIGINT)
        rest, _ = tool.communicate(timeout=PATIENCE)
        assert tool.returncode == 130 and 'Traceback' not in rest, rest
    finally:
        tool.kill()
        tool.wait()


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
def photos(tmp_path_factory):
    """A cat, and a file that is no picture."""
    data = pytest.importorskip('skimage.data')
    folder = tmp_path_factory.mktemp('photos')
    Image.fromarray(data.chelsea()).save(folder / 'chelsea.png')
    (folder / 'broken.jpg').write_bytes(b'\xff\xd8')
    return folder


@pytest.fixture
def opened(browser, address, request):
    """The page, which has to stay silent and fetch nothing from elsewhere."""
    width, height = getattr(request, 'param', (1400, 900))
    page = browser.new_page(viewport=dict(width=width, height=height))
    page.set_default_timeout(PATIENCE * 1000)
    said: list[str] = []
    asked: list[str] = []
    page.on('console', lambda m: said.append(m.text) if m.type == 'error' else None)
    page.on('pageerror', lambda error: said.append(str(error)))
    page.on('request', lambda request: asked.append(request.url))
    page.goto(address)
    page.locator('input[type=file]').wait_for(state='attached')
    yield page
    page.close()
    assert not said
    ours = (address, 'data:', f'blob:{address}')
    assert not [url for url in asked if not url.startswith(ours)]


def says(page, text: str) -> None:
    """Wait until the page says it."""
    page.locator('#said').get_by_text(text).wait_for()


@pytest.mark.slow
@pytest.mark.parametrize('opened', [(1400, 900), (390, 844)], indirect=True)
def test_a_photo_becomes_a_mask(opened, photos, tmp_path) -> None:
    opened.set_input_files('input[type=file]', photos / 'chelsea.png')
    says(opened, 'chelsea, 451 × 300, by toco_vit-t_shapes (yours)')
    shown = opened.locator('#mask img')
    shown.wait_for()
    wide = 'img => img.decode().then(() => img.naturalWidth)'
    assert shown.evaluate(wide) == 451
    assert opened.locator('#confidence img').evaluate(wide) == 451
    assert opened.locator('#table tbody tr').count() == 6
    assert opened.evaluate(
        'document.documentElement.scrollWidth <= document.documentElement.clientWidth'
    )
    opened.get_by_label('dots').check()
    opened.locator('#table tbody tr').nth(1).wait_for(state='detached')
    with opened.expect_download() as download:
        opened.locator('#png').click()
    assert download.value.suggested_filename == 'chelsea.png'
    download.value.save_as(tmp_path / 'mask.png')
    with Image.open(tmp_path / 'mask.png') as mask:
        assert (mask.mode, mask.size) == ('P', (451, 300))
        assert set(np.unique(np.asarray(mask))) <= set(range(7))


@pytest.mark.slow
def test_a_broken_photo_is_called_by_its_name(opened, photos) -> None:
    opened.set_input_files('input[type=file]', photos / 'broken.jpg')
    says(opened, 'Error: broken.jpg cannot be read')
    assert opened.locator('#mask img').count() == 0
    assert opened.locator('#png').is_disabled()


@pytest.mark.slow
def test_another_model_segments_the_photo_again(opened, photos) -> None:
    opened.set_input_files('input[type=file]', photos / 'chelsea.png')
    says(opened, '(yours)')
    opened.get_by_label('Model').click()
    opened.get_by_role('option', name='toco_vit-t_shapes', exact=True).click()
    opened.locator('#said').filter(has_not_text='(yours)').wait_for()
    says(opened, 'chelsea, 451 × 300, by toco_vit-t_shapes:')
