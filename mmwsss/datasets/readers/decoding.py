# Licensed under Apache-2.0.
"""The text of a file whose encoding nobody told us."""

from __future__ import annotations

import codecs
from pathlib import Path

from mmwsss.io.data_errors import LabelError
from mmwsss.io.file_beginnings import is_lfs_pointer, is_web_page
from mmwsss.io.wording import setting

#: byte order mark → encoding; UTF-32 first, whose mark begins with UTF-16's
MARKS = {
    codecs.BOM_UTF32_LE: 'utf-32',
    codecs.BOM_UTF32_BE: 'utf-32',
    codecs.BOM_UTF16_LE: 'utf-16',
    codecs.BOM_UTF16_BE: 'utf-16',
    codecs.BOM_UTF8: 'utf-8-sig',
}
#: how files begin that are something else → what they are, and the fix
OTHERS = {
    b'PK\x03\x04': (
        'a zip archive or an Excel sheet, no text',
        'unpack it, or save the sheet as CSV (UTF-8)',
    ),
    b'PAR1': (
        'a Parquet file, no text',
        "export it: datasets' to_csv or to_json, or pandas' read_parquet(...).to_csv()",
    ),
    b'\x1f\x8b': ('a gzip archive, no text', 'unpack it'),
    b'\xd0\xcf\x11\xe0': (
        'an old Excel or Word file, no text',
        'save the sheet as CSV (UTF-8)',
    ),
    b'SQLite format 3': ('a database, no text', 'export its table as CSV'),
    b'\x80\x04': ('a pickle, whose code is not run', 'write it as CSV or JSON'),
    b'\x80\x03': ('a pickle, whose code is not run', 'write it as CSV or JSON'),
    b'\x80\x05': ('a pickle, whose code is not run', 'write it as CSV or JSON'),
    b'\xff\xd8\xff': ('a picture, no text', 'give the labels, or the folder'),
    b'\x89PNG': ('a picture, no text', 'give the labels, or the folder'),
}


def decode(data: bytes, path: str) -> tuple[str, str]:
    """Text of a file in UTF-8, UTF-16 or UTF-32 with a byte order mark, or Latin-1.

    Args:
        data: content of the file.
        path: for the error.

    Returns:
        The text without its byte order mark; and what was converted, '' for UTF-8.

    Raises:
        LabelError: if it is no text.
    """
    if is_lfs_pointer(data):
        raise LabelError(path, 'is a git-lfs pointer, not the file', 'run git lfs pull')
    if is_web_page(data):
        raise LabelError(path, 'is a web page', 'download the file itself')
    for begin, (what, fix) in OTHERS.items():
        if data[:64].lstrip().lower().startswith(begin.lower()):
            raise LabelError(path, f'is {what}', fix)
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), '')
    if not encoding and b'\0' in data:
        raise LabelError(
            path,
            'holds null bytes: UTF-16 without a byte order mark, or no text',
            'save it as text with the encoding UTF-8',
        )
    try:
        text = data.decode(encoding or 'utf-8')
    except UnicodeDecodeError as err:
        if encoding:
            raise LabelError(
                path,
                f'begins with the byte order mark of {encoding}, but is not ({err})',
                'save it as text with the encoding UTF-8',
            ) from err
        return _from_latin(data), 'is not UTF-8: read with the encoding Latin-1'
    said = f'read with the encoding {encoding}' if encoding.startswith('utf-') else ''
    return text, '' if encoding in ('', 'utf-8-sig') else said


def _from_latin(data: bytes) -> str:
    """Windows-1252, the Latin-1 that is met, has a few bytes that stand for nothing."""
    try:
        return data.decode('cp1252')
    except UnicodeDecodeError:
        return data.decode('latin-1')


def read_decoded(path: str) -> tuple[str, str]:
    """:func:`decode` of a file.

    Raises:
        LabelError: if it is missing or no text.
    """
    if not Path(path).is_file():
        fix = f'check {setting("data_root")} and the name of the file'
        raise LabelError(path, 'is missing', fix)
    return decode(Path(path).read_bytes(), path)
