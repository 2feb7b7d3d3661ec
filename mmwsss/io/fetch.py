# Licensed under Apache-2.0.
"""Files of weights by address: resumed, compared with their sha256, whole or not there.

Nothing is unpickled. What has come of a file lies beside it as ``NAME.part``, with a
note of what the server said of it (``NAME.part.json``), so that the next try goes on
where this one ended, and begins anew where the file has changed meanwhile.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, url2pathname, urlopen

from mmengine.logging import print_log

from .errors import UserError
from .file_beginnings import is_web_page
from .weight_files import file_hash

_TRIES = 3
_SILENCE = 30  # seconds without a byte
_BLOCK = 1 << 20
_PAUSE = 1  # second between two tries
_NEWS = 10  # seconds between two lines of progress


class FetchError(ConnectionError):
    """An address doesn't give its file; the message is one line."""


class _BrokenOffError(Exception):
    """The server ended before the file did; what came is kept."""


def file_name(source: str) -> str:
    """The name of the file behind an address or path, without what follows ``?``."""
    return os.path.basename(unquote(urlsplit(source).path)) or os.path.basename(source)


def local_path(source: str) -> Path | None:
    """The path that a ``file://`` address or a plain path means; ``None``: http(s).

    Raises:
        UserError: if the address is of another kind.
    """
    scheme, found, _ = source.partition('://')
    if not found:
        return Path(source).expanduser()
    if scheme == 'file':
        parts = urlsplit(source)
        if parts.netloc in ('', 'localhost'):
            return Path(url2pathname(parts.path))
    elif scheme in ('http', 'https'):
        return None
    raise UserError(f'{source}: give http://, https://, file:///PATH or a path')


def fetch(source: str, path: str | os.PathLike, sha256: str | None = None) -> str:
    """Put the file of an address at a path, whole or not at all.

    Args:
        source: ``http(s)://``, ``file://`` or a path.
        path: where it goes; folders are made. A file that is there already and has the
            sha256 is left alone.
        sha256: its first 8 to 64 digits; ``None``: not known, nothing is compared.

    Returns:
        The sha256 of the file, 64 digits.

    Raises:
        FetchError: if the address can't be reached, or gives no such file, or a web
            page. What has come of it is kept for the next try.
        FileNotFoundError: if there is no such local file.
        UserError: if the file has another sha256, or another one is at the path.
    """
    path = Path(path)
    there = _already_there(path, sha256)
    if there is not None:
        return there
    local = local_path(source)
    if local is not None:
        return _copy(local, path, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _part_of(path) as part:
        return _already_there(path, sha256) or _download(source, path, part, sha256)


def _already_there(path: Path, sha256: str | None) -> str | None:
    if not path.exists():
        return None
    found = file_hash(path)
    if sha256 is not None and not found.startswith(sha256):
        raise UserError(
            f'{path} is there already and has the sha256 {found[: len(sha256)]}…, '
            f'not {sha256}…: it is damaged or another file. Delete it, or give another '
            'folder'
        )
    return found


def _copy(source: Path, path: Path, sha256: str | None) -> str:
    if not source.is_file():
        raise FileNotFoundError(f'{source} is not there, or is no file')
    _compare(str(source), file_hash(source), sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _part_of(path) as part, open(source, 'rb') as file:
        _empty(part)
        shutil.copyfileobj(file, part, _BLOCK)
        return _finish(str(source), path, part, sha256)


def _compare(source: str, found: str, sha256: str | None) -> None:
    if sha256 is not None and not found.startswith(sha256):
        raise UserError(
            f'{source} has the sha256 {found[: len(sha256)]}…, {sha256}… is expected: '
            'it is damaged or another file. Nothing was written'
        )


@contextmanager
def _part_of(path: Path) -> Iterator[IO[bytes]]:
    """The unfinished file, open for appending, for this process alone."""
    name = _part_name(path)
    while True:
        with open(name, 'a+b') as part:
            fcntl.flock(part, fcntl.LOCK_EX)
            # whoever held it may have finished it and renamed it
            if name.exists() and os.path.samestat(os.fstat(part.fileno()), name.stat()):
                try:
                    yield part
                finally:
                    if name.exists() and not name.stat().st_size:  # nothing came
                        _forget(path)
                return


def _empty(part: IO[bytes]) -> None:
    part.seek(0)
    part.truncate()


def _part_name(path: Path) -> Path:
    return path.with_name(f'{path.name}.part')


def _note_name(path: Path) -> Path:
    return path.with_name(f'{path.name}.part.json')


def _forget(path: Path) -> None:
    _part_name(path).unlink(missing_ok=True)
    _note_name(path).unlink(missing_ok=True)


def _finish(source: str, path: Path, part: IO[bytes], sha256: str | None) -> str:
    """Compare the sha256, then give the file its name."""
    part.flush()
    os.fsync(part.fileno())
    found = file_hash(_part_name(path))
    try:
        _compare(source, found, sha256)
    except UserError:
        _forget(path)
        raise
    os.replace(_part_name(path), path)
    _note_name(path).unlink(missing_ok=True)
    return found


def _download(url: str, path: Path, part: IO[bytes], sha256: str | None) -> str:
    """Fetch what is missing of a file, in several tries if need be."""
    resumed, ends = False, 0
    while True:
        try:
            resumed |= _transfer(url, path, part)
        except _BrokenOffError as error:
            ends += 1
            if ends < _TRIES:
                time.sleep(_PAUSE)
                continue
            raise FetchError(
                f'{url} broke off {ends} times ({error}). The same command goes on '
                'from there'
            ) from None
        part.flush()
        if resumed and sha256 and not file_hash(_part_name(path)).startswith(sha256):
            # Two files may have been joined, which nothing but the hash can tell.
            _empty(part)
            resumed = False
            continue
        return _finish(url, path, part, sha256)


def _transfer(url: str, path: Path, part: IO[bytes]) -> bool:
    """One request: append what the server sends. Returns whether it was resumed.

    Raises:
        _BrokenOffError: if less came than was announced.
        FetchError: if there is no such file.
    """
    start = part.seek(0, os.SEEK_END)
    note = _read_note(path)
    headers = {}
    if start and note.get('url') == url and note.get('validator'):
        headers = {'Range': f'bytes={start}-', 'If-Range': note['validator']}
    with _open(url, headers) as reply:
        if not (headers and _goes_on_at(reply, start)):
            start = 0
            _empty(part)
        _note_name(path).write_text(json.dumps(_note(url, reply.headers)))
        length = reply.headers.get('Content-Length')
        total = start + int(length) if length else None
        _append(reply, part, url, total)
    have = part.tell()
    if total is not None and have < total:
        raise _BrokenOffError(f'{have} of {total} bytes are here')
    return start > 0


def _open(url: str, headers: Mapping[str, str]) -> Any:
    """The server's answer; the whole file where there is nothing after what is here."""
    try:
        return urlopen(Request(url, headers=dict(headers)), timeout=_SILENCE)
    except HTTPError as error:
        if error.code == 416 and headers:
            return _open(url, {})
        if error.code >= 500:
            raise _BrokenOffError(f'it says {error.code} {error.reason}') from None
        raise FetchError(
            f'{url} gives no file: the server says {error.code} {error.reason}'
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise FetchError(f'{url} can not be reached ({reason})') from None


def _goes_on_at(reply: Any, start: int) -> bool:
    """Whether an answer holds the rest of the file from a byte on."""
    found = re.match(r'bytes (\d+)-', reply.headers.get('Content-Range') or '')
    return reply.status == 206 and found is not None and int(found[1]) == start


def _note(url: str, headers: Mapping[str, str]) -> dict[str, str | None]:
    """What tells, at the next try, whether the file is still the same."""
    tag = headers.get('ETag') or ''
    strong = tag if tag and not tag.startswith('W/') else None
    return dict(url=url, validator=strong or headers.get('Last-Modified'))


def _read_note(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(_note_name(path).read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _append(reply: Any, part: IO[bytes], url: str, total: int | None) -> None:
    """Write the body of an answer behind what is there, and say how far it is."""
    said = time.monotonic()
    size = '' if total is None else f' of {total / 1e6:.1f}'
    while True:
        try:
            block = reply.read(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenOffError(f'{part.tell()} bytes are here; {error}') from None
        if not block:
            return
        if part.tell() == 0 and is_web_page(block[:1000]):
            raise FetchError(
                f'{url} gives a web page, not the file (a login, a preview, an error): '
                'open it in a browser and fetch the file by hand'
            )
        part.write(block)
        if time.monotonic() - said > _NEWS:
            said = time.monotonic()
            print_log(f'{url}: {part.tell() / 1e6:.1f}{size} MB', 'current')
