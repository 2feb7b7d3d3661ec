# Licensed under Apache-2.0.
"""Places in configs that the documentation names are there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from tests.helpers import ROOT
from tests.helpers.markdown import Command, commands, page_id, pages

#: what configs don't have until somebody sets it
NEW = re.compile(r'(tta_cfg|model\.test_cfg)\.post_processor\.\w+')
PLACES = re.compile(
    r'`((?:model|optim_wrapper|tta_cfg|train_cfg|train_dataloader|default_hooks)'
    r'\.[\w.]+)(?:=[^`]*)?`'
)
READMES = [page for page in pages() if page.is_relative_to(ROOT / 'configs')]


@cache
def config(path: Path) -> Config:
    return Config.fromfile(path)


def missing(cfg: Any, place: str) -> str | None:
    """The part of a place that a config hasn't; its last part may be a new setting."""
    node, parts = cfg, place.split('.')
    for part in parts[:-1]:
        try:
            node = node[int(part)] if isinstance(node, (list, tuple)) else node[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return part
    return None if isinstance(node, (dict, list, tuple, Config)) else parts[-2]


def test_a_missing_part_is_named() -> None:
    cfg = Config(dict(model=dict(head=dict(type='A'), steps=[dict(a=1)])))
    assert missing(cfg, 'model.head.new') is None
    assert missing(cfg, 'model.steps.0.a') is None
    assert missing(cfg, 'model.heed.type') == 'heed'
    assert missing(cfg, 'model.head.type.x') == 'type'
    assert missing(cfg, 'model.steps.1.a') == '1'


def options(command: Command) -> list[str]:
    """Places that follow `--cfg-options`."""
    found, reads = [], False
    for word in command.words:
        if word.startswith('--'):
            reads = word == '--cfg-options'
        elif reads and '=' in word:
            found.append(word.split('=')[0])
    return found


def with_options() -> list[tuple[Path, Command]]:
    """Commands that change settings of a config of ours, with that config."""
    return [
        (ROOT / word, command)
        for page in pages()
        for command in commands(page)
        for word in command.words
        if re.fullmatch(r'configs/\w+/[\w-]+\.py', word)
        and (ROOT / word).exists()
        and not word.endswith('_pipeline.py')  # there a stage's name comes first
        and options(command)
    ]


def test_commands_with_options_are_found() -> None:
    assert len(with_options()) > 5


@pytest.mark.parametrize(('path', 'command'), with_options(), ids=str)
def test_settings_of_commands_are_there(path, command) -> None:
    lost = {place: missing(config(path), place) for place in options(command)}
    assert not {p: part for p, part in lost.items() if part and not NEW.fullmatch(p)}


@pytest.mark.parametrize('page', READMES, ids=page_id)
def test_switches_of_a_method_are_in_one_of_its_configs(page) -> None:
    own = [path for path in page.parent.glob('*.py') if '_pipeline' not in path.name]
    places = set(PLACES.findall(page.read_text('utf-8')))
    lost = [
        place
        for place in sorted(places)
        if all(missing(config(path), place) for path in own)
    ]
    assert not lost
