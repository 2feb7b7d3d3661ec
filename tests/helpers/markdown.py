# Licensed under Apache-2.0.
"""What stands in the Markdown files: links, headings, command lines."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import ROOT
from .own_files import is_own

FENCE = re.compile(r'^( *)```(\w*)[^\n]*\n(.*?)^\1```', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)')
HEADING = re.compile(r'^#{1,6} +(.+?) *#*$', re.MULTILINE)
#: words of the shell that stand before a command
KEYWORDS = {'for', 'do', 'done', 'then', 'if', 'fi', 'else', '(', ')', 'sudo', 'time'}
ENDS = {';', '&&', '||', '|', '&'}


class Command(NamedTuple):
    """A command line of a page.

    Attributes:
        page: relative to the clone.
        words: program and arguments, as the shell would split them.
    """

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f'{self.page}: {shlex.join(self.words)}'


def pages() -> list[Path]:
    """All Markdown files that a reader may meet."""
    kinds = ('*.md', 'docs/**/*.md', 'configs/**/*.md', 'zoo/*.md')
    found = {path for kind in kinds for path in ROOT.glob(kind)}
    return sorted(path for path in found if is_own(path))


def page_id(path: Path) -> str:
    """Relative to the clone."""
    return path.relative_to(ROOT).as_posix()


def links(text: str) -> list[str]:
    """Targets of the links, addresses of the web left out."""
    text = re.sub(r'`[^`\n]*`', '', FENCE.sub('', text))
    return [target for target in LINK.findall(text) if not re.match(r'\w+:', target)]


def anchors(text: str) -> set[str]:
    """What `#...` may name: headings as GitHub writes them, and ids in HTML."""
    found: list[str] = []
    for heading in HEADING.findall(FENCE.sub('', text)):
        name = slug(heading)
        count = sum(re.fullmatch(rf'{re.escape(name)}(-\d+)?', one) is not None
                    for one in found)  # fmt: skip
        found.append(f'{name}-{count}' if count else name)
    return {*found, *re.findall(r'<a (?:id|name)="([^"]+)"', text)}


def slug(heading: str) -> str:
    """The anchor of a heading."""
    text = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading)
    text = re.sub(r'[`*]', '', text).strip().lower().replace(' ', '-')
    return ''.join(
        sign for sign in text if sign in '-_' or unicodedata.category(sign)[0] in 'LN'
    )


def commands(path: Path) -> Iterator[Command]:
    """The command lines of the ```bash blocks of a page."""
    for _, language, block in FENCE.findall(path.read_text('utf-8')):
        if language in ('bash', 'sh', 'shell', 'console'):
            variables: dict[str, str] = {}
            for line in block.replace('\\\n', ' ').splitlines():
                for words in split(line, variables):
                    yield Command(page_id(path), words)


def split(line: str, variables: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """Command lines of a line: optional arguments written out, variables put in.

    Args:
        line: such as ``python $T [--amp]  # mixed precision``.
        variables: those that the lines before have set; new ones are added.
    """
    for name, value in variables.items():
        line = re.sub(rf'\${name}\b', value.replace('\\', r'\\'), line)
    line = re.sub(r'\$\(.*\)', 'OUTPUT', line)  # of another command
    line = re.sub(r'\[(-[^\]]*)\]', r'\1', line)  # [--amp]
    lexer = shlex.shlex(line, posix=True, punctuation_chars=';&|')
    lexer.whitespace_split, lexer.commenters = True, '#'
    words: list[str] = []
    for word in [*lexer, ';']:
        if word in ENDS:
            yield from program(words, variables)
            words = []
        else:
            words.append(word)


def program(words: list[str], variables: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """Without what stands before the program; variables that are set are kept."""
    while words:
        name, equals, value = words[0].partition('=')
        if equals and re.fullmatch(r'\w+', name):
            variables[name] = value
        elif words[0] == 'for':  # for NAME in VALUE ...
            variables[words[1]] = words[3]
            return
        elif words[0] not in KEYWORDS:
            yield tuple(words)
            return
        words = words[1:]
