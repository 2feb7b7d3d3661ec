# Licensed under Apache-2.0.
"""How tools call the columns and keys that hold image names and classes."""

from __future__ import annotations

import re

NAME_WORDS = (
    *('name', 'image', 'filename', 'file', 'imageid', 'imagename', 'img', 'imgname'),
    *('imgid', 'path', 'filepath', 'imagepath', 'imgpath', 'imagefile', 'picture'),
    *('photo', 'id', 'externalid'),
)
_NUMBER_WORDS = ('id', 'imageid', 'imgid', 'externalid')
LABEL_WORDS = (
    *('class', 'classes', 'label', 'labels', 'classname', 'classnames', 'category'),
    *('categories', 'categoryname', 'tag', 'tags', 'choice', 'choices', 'classlabel'),
)


def is_name_word(word: str) -> bool:
    """Whether a head or key tells the image."""
    return _plain(word) in NAME_WORDS


def name_rank(word: str) -> int:
    """0 for a head that names the file, 1 for a number of the tool's own."""
    return int(_plain(word) in _NUMBER_WORDS)


def is_label_word(word: str, numbered: bool = True) -> bool:
    """Whether a head or key tells classes: ``label``, ``tags``, also ``Class_2``."""
    word = _plain(word)
    return (word.rstrip('0123456789') if numbered else word) in LABEL_WORDS


def _plain(word: str) -> str:
    return re.sub(r'[\s_-]', '', word).casefold()


def name_order(word: str) -> int:
    """Which of several heads or keys tells the image likeliest: the least."""
    return _NAMES_FIRST.index(_plain(word))


#: a key that names the file counts before a number of the tool's own
_NAMES_FIRST = sorted(NAME_WORDS, key=_NUMBER_WORDS.__contains__)
