# Licensed under Apache-2.0.
from __future__ import annotations

import re
from collections.abc import Iterator

from mmwsss.io.image_files import IMAGE_SUFFIXES
from mmwsss.registry import LABEL_READERS

from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .vocabulary import Vocabulary

_SUFFIXES = '|'.join(re.escape(suffix) for suffix in IMAGE_SUFFIXES)
#: a name in quotes; one up to its suffix, blanks in it or not; a word
_NAME = re.compile(
    rf'"(?P<quoted>[^"]+)"|(?P<file>\S(?:.*?\S)??(?:{_SUFFIXES}))(?=\s|$)|(?P<word>\S+)',
    re.IGNORECASE,
)


def text_lines(text: str) -> Iterator[str]:
    """Lines that are neither empty nor a ``#`` comment, without blanks around."""
    for line in text.splitlines():
        line = line.strip()
        if line and not is_comment(line):
            yield line


def is_comment(text: str) -> bool:
    """Whether a line or cell is a remark: ``#``, but for the name of an image file.

    Example:
        >>> is_comment('# a.jpg cat'), is_comment('#1.jpg cat'), is_comment('#old')
        (True, False, True)
    """
    if not text.startswith('#') or text[1:2].isspace():
        return text.startswith('#')
    found = _NAME.match(text)
    return found is None or found['file'] is None


def split_line(line: str) -> tuple[str, list[str]]:
    """The image name of a line, and the words behind it.

    A name with blanks ends at a tab, at its image suffix, or stands in quotes.

    Example:
        >>> split_line('my photo.jpg cat red_fox')
        ('my photo.jpg', ['cat', 'red_fox'])
        >>> split_line('"my photo" cat'), split_line('a cat')
        (('my photo', ['cat']), ('a', ['cat']))
    """
    if '\t' in line:
        name, _, rest = line.partition('\t')
        return name.strip().strip('"'), rest.split()
    if ' ' not in line and '"' not in line:
        return line, []
    found = _NAME.match(line)
    assert found is not None  # a line has a first word
    name = found['quoted'] or found['file'] or found['word']
    return name, line[found.end() :].split()


@LABEL_READERS.register_module(name='text')
class TextReader(LabelReader):
    """Lines ``name class class ...``; a blank in a class name is written ``_``."""

    order = 100  # what nobody else knows is text

    def fits(self, source: LabelSource) -> bool:
        """Any file."""
        return not source.is_folder

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """A name alone says nothing of its classes."""
        for line in text_lines(source.text):
            name, words = split_line(line)
            yield name, words or None
