# Licensed under Apache-2.0.
"""Every command line of the documentation: its tool takes it, and a test runs it.

Nothing is run here: the tool's own parser reads the arguments, and stops.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

from tests.helpers import ROOT
from tests.helpers.markdown import Command, commands, pages

TOOLS = re.compile(r'(?:^|/)((?:tools|demo|benchmarks)/[\w/]+\.(?:py|sh))$')
#: programs that aren't ours
OUTSIDE = {'apt', 'cd', 'export', 'ln', 'mim', 'pip', 'pre-commit', 'source'}
#: launchers: the tool that they start, and where the number of processes stands
LAUNCHERS = {
    'tools/dist_train.sh': ('tools/train.py', 2),
    'tools/dist_test.sh': ('tools/test.py', 3),
    'tools/dist_generate.sh': ('tools/generate_pseudo_labels.py', 3),
}
#: scripts without a parser, and how many arguments they read
SCRIPTS = {'demo/onnx_example.py': 3}
#: what a command needs that a test hasn't: words that tell
NEEDS = {
    'VOC': r'VOC|voc12\.py|_voc\b|_voc[._-]|AUTHORS|RELEASED|toco_voc',
    'COCO': r'coco',
    'GPUs': r'^tools/(dist|slurm)_|--launcher pytorch|device cuda',
}
#: (tool, option) of the documentation that no test of the tool names, with the reason
UNTRIED = {
    ('benchmarks/ops.py', ''): 'measures for minutes',
    (
        'tools/generate_pseudo_labels.py',
        '--cams',
    ): 'a stage: test_pipeline_of_any_cam.py',
    ('tools/misc/publish_model.py', '--cfg-options'): 'read as those of train.py are',
    ('tools/train.py', '--amp'): 'replaces a wrapper: tests/cli/test_launch.py',
    ('tools/refine_labels.py', '--preset'): 'GenerateCfg and RefineCfg share it',
}

COMMANDS = [command for path in pages() for command in commands(path)]


def tool_of(command: Command) -> tuple[str, tuple[str, ...]] | None:
    """The script of ours that a command starts, and its arguments.

    Returns:
        (`tools/train.py`, arguments); None of another program.
    """
    words = command.words[
        re.fullmatch(r'(.*/)?python3?', command.words[0]) is not None :
    ]
    found = TOOLS.search(words[0]) if words else None
    if found is None:
        return None
    tool, rest = found.group(1), words[1:]
    if tool in LAUNCHERS:
        tool, place = LAUNCHERS[tool]
        rest = (*rest[: place - 1], *rest[place:])
    return tool, rest


TOOL_COMMANDS = [command for command in COMMANDS if tool_of(command)]


class ParsedError(Exception):
    """The parser took the arguments."""


@pytest.fixture
def stop_after_parsing(monkeypatch) -> None:
    parse_args = argparse.ArgumentParser.parse_args

    def parse(self, args=None, namespace=None) -> NoReturn:
        parse_args(self, args, namespace)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', parse)


@cache
def load(tool: str) -> ModuleType:
    path = ROOT / tool
    sys.path.insert(0, str(path.parent))
    try:
        spec = importlib.util.spec_from_file_location(f'docs_{path.stem}', path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def test_commands_are_found() -> None:
    assert len(TOOL_COMMANDS) > 100
    assert len({tool_of(command)[0] for command in TOOL_COMMANDS}) > 25


@pytest.mark.parametrize('command', TOOL_COMMANDS, ids=str)
def test_a_tool_takes_its_arguments(
    command, stop_after_parsing, monkeypatch, capsys
) -> None:
    tool, arguments = tool_of(command)
    assert (ROOT / tool).is_file()
    if tool in SCRIPTS:
        assert len(arguments) == SCRIPTS[tool]
        return
    written_out = [word.replace('...', 'any.key=1') for word in arguments]
    monkeypatch.setattr(sys, 'argv', [tool, *written_out])
    try:
        load(tool).main()
    except ParsedError:
        return
    except SystemExit:
        pytest.fail(f'{command}\n{capsys.readouterr().err}')
    pytest.fail(f'{tool} has read no arguments')


def other_commands() -> Iterator[Command]:
    return (command for command in COMMANDS if not tool_of(command))


@pytest.mark.parametrize('command', other_commands(), ids=str)
def test_another_command_is_there(command) -> None:
    program, *arguments = command.words
    if program == 'make':
        targets = re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.M)
        assert arguments[0] in targets
    elif program.endswith('python') and arguments[0] == '-m':
        assert importlib.util.find_spec(arguments[1])
    elif not (program.endswith('python') and arguments[0] == '-c'):
        assert program in OUTSIDE, f'{command}: no such program, or no tool of ours'


def files_of(command: Command) -> list[str]:
    """Paths of the clone that the arguments name."""
    found = (
        re.fullmatch(r'(?:configs|tools|demo)/[\w./-]+\.\w+', w) for w in command.words
    )
    return [match.group() for match in found if match]


def test_configs_and_files_of_the_clone_are_there() -> None:
    missing = [
        str(command)
        for command in COMMANDS
        for file in files_of(command)
        # the page that shows how to write them
        if not file.startswith('configs/my_method/') and not (ROOT / file).exists()
    ]
    assert not missing


@cache
def run_by(tool: str) -> str:
    """All text of the tests that name a tool, and of their helpers."""
    name = re.compile(rf'\b{re.escape(Path(tool).name)}\b')
    shared = [
        path.read_text('utf-8') for path in (ROOT / 'mmwsss/testing').glob('*.py')
    ]
    by_helper = any(name.search(text) for text in shared)  # tests then import it
    files = [path for path in (ROOT / 'tests').rglob('*.py') if path != Path(__file__)]
    return '\n'.join(
        text
        for text in (path.read_text('utf-8') for path in files)
        if name.search(text) or (by_helper and 'mmwsss.testing' in text)
    )


def needs(command: Command) -> set[str]:
    """What of `NEEDS` a command has to have."""
    line = ' '.join(command.words)
    return {name for name, words in NEEDS.items() if re.search(words, line)}


def untried() -> set[tuple[str, str]]:
    """(tool, option) of commands that no test runs, '' for the tool itself."""
    found = set()
    for command in TOOL_COMMANDS:
        tool, arguments = tool_of(command)
        options = {word.split('=')[0] for word in arguments if word.startswith('--')}
        tried = run_by(tool)
        if not needs(command):
            found |= {(tool, option) for option in options if option not in tried}
            found |= set() if tried else {(tool, '')}
    return found


def test_commands_are_run_by_a_test_or_need_something() -> None:
    """A new option goes into a test, or in `UNTRIED` with the reason."""
    assert untried() == set(UNTRIED)
