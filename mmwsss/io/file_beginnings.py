# Licensed under Apache-2.0.
"""What lies under a file's name where the file itself wasn't fetched."""

from __future__ import annotations

_LFS = b'version https://git-lfs.github.com/spec/'
_PAGES = (b'<!doctype html', b'<html', b'<head', b'<body')


def beginning(content: bytes) -> bytes:
    """The first thousand bytes in small letters, without what may stand before text."""
    return content[:1000].lstrip(b'\xef\xbb\xbf \t\r\n').lower()


def is_lfs_pointer(content: bytes) -> bool:
    """Whether it is git-lfs's note of where the file is.

    Args:
        content: of the file, or its first thousand bytes.
    """
    return content.startswith(_LFS)


def is_web_page(content: bytes) -> bool:
    """Whether it is HTML: a login, an error, a preview page.

    Args:
        content: of the file, or its first thousand bytes.
    """
    begin = beginning(content)
    return begin.startswith(_PAGES) or (
        begin.startswith(b'<?xml') and b'<html' in begin
    )
