# Licensed under Apache-2.0.
"""The method of docs/en/add_a_method.md runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from types import ModuleType

import pytest
import torch
from mmengine.config import Config

from mmwsss.registry import MODELS
from mmwsss.testing import MethodTester, build
from tests.helpers import ROOT

PAGE = ROOT / 'docs' / 'en' / 'add_a_method.md'
NAMES = ('ObjectnessLoss', 'MyMethod')


def files() -> dict[str, str]:
    """Of each numbered section of the page the first path and the first code."""
    sections = re.split(r'^## \d\. ', PAGE.read_text(encoding='utf-8'), flags=re.M)
    return {
        re.search(r'`((?:mmwsss|configs|tests)/\S+\.py)`', section)[1]: re.search(
            r'```python\n(.*?)```', section, re.S
        )[1]
        for section in sections[1:5]
    }


FILES = files()
LOSS, SEGMENTOR, CONFIG, TEST = FILES


def load(path: str) -> None:
    """Execute a file of the page as the module that it is to be."""
    module = ModuleType(path.removesuffix('.py').replace('/', '.'))
    module.__package__ = module.__name__.rpartition('.')[0]
    exec(compile(FILES[path], path, 'exec'), module.__dict__)


@pytest.fixture(scope='module', autouse=True)
def config(tmp_path_factory) -> None:
    """Registered for this file alone; the config beside the project's own."""
    known = MODELS.module_dict
    kept = {name: known.pop(name) for name in NAMES if name in known}
    load(LOSS)
    load(SEGMENTOR)
    configs = tmp_path_factory.mktemp('page') / 'configs'
    path = configs.parent / CONFIG
    path.parent.mkdir(parents=True)
    for folder in ('_base_', 'cam'):
        (configs / folder).symlink_to(ROOT / 'configs' / folder)
    path.write_text(FILES[CONFIG])
    TestMethodOfThePage.config = str(path)
    yield
    for name in NAMES:
        known.pop(name, None)
    known.update(kept)


class TestMethodOfThePage(MethodTester):
    """All that holds for every method; its numbers aren't pinned."""

    test_pinned = None

    def test_the_head_is_asked_for(self) -> None:
        cfg = Config.fromfile(self.config).model
        cfg.pop('my_head')
        with pytest.raises(ValueError, match='the loss term mine needs a my_head'):
            MODELS.build(cfg)

    def test_detached(self) -> None:
        """The setting of its own takes the head's gradient from the encoder."""
        for detached in (True, False):
            model = build(self.config, detach_my_head=detached)
            model.my_head.requires_grad_(False)
            found = model.anything(model.encode(torch.zeros(1, 3, 96, 96)))
            assert found.shape == (1, 1, 12, 12)
            assert found.requires_grad is not detached


def test_the_test_of_the_page_names_its_config() -> None:
    assert f"config = '{CONFIG}'" in FILES[TEST]


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.rpartition('/')[2])
def test_style(path: str) -> None:
    run = subprocess.run(
        [
            sys.executable,
            '-m',
            'ruff',
            'check',
            '--output-format=concise',
            '--stdin-filename',
            path,
            '-',
        ],
        cwd=ROOT,
        input=FILES[path],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
