# Licensed under Apache-2.0.
"""A server of this machine that sends files, as badly as a test wants it to."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ['FileServer', 'file_server']


class FileServer:
    """What is sent, and what was asked for.

    Attributes:
        files: name → content.
        ranges: whether a part of a file is sent where one asks for it.
        etag: whether a file's version is told.
        cuts: for each of the next answers the bytes after which it breaks off.
        statuses: for each of the next answers a status other than 200.
        asked: of each request (name, its ``Range`` or ``None``).
        url: address of the folder, without a slash at its end.
    """

    def __init__(self, url: str, **files: bytes) -> None:
        self.url = url
        self.files: dict[str, bytes] = dict(files)
        self.ranges = self.etag = True
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.asked: list[tuple[str, str | None]] = []

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Send a file, or what else was set."""
        name = request.path.partition('?')[0].lstrip('/')
        wanted = request.headers.get('Range')
        self.asked.append((name, wanted))
        status = self.statuses.pop(0) if self.statuses else 200
        content = self.files.get(name)
        if content is None or status != 200:
            request.send_error(404 if status == 200 else status)
            return
        tag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
        start = self._start(wanted, request.headers.get('If-Range'), tag)
        if start >= len(content) > 0:
            request.send_error(416)
            return
        self._send(request, content, start, tag)

    def _start(self, wanted: str | None, condition: str | None, tag: str) -> int:
        found = re.fullmatch(r'bytes=(\d+)-', wanted or '')
        if found is None or not self.ranges or condition not in (None, tag):
            return 0
        return int(found[1])

    def _send(
        self, request: BaseHTTPRequestHandler, content: bytes, start: int, tag: str
    ) -> None:
        request.send_response(206 if start else 200)
        if start:
            last = len(content) - 1
            request.send_header('Content-Range', f'bytes {start}-{last}/{last + 1}')
        if self.etag:
            request.send_header('ETag', tag)
        body = content[start:]
        request.send_header('Content-Length', str(len(body)))
        request.end_headers()
        cut = self.cuts.pop(0) if self.cuts else len(body)
        request.wfile.write(body[:cut])
        request.close_connection = True


@contextmanager
def file_server() -> Iterator[FileServer]:
    """A server at a free port, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        """Hands each request on."""

        def do_GET(self) -> None:
            """Called by the library."""
            served.answer(self)

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    served = FileServer(f'http://127.0.0.1:{server.server_port}')
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
