# Licensed under Apache-2.0.
"""Files that are either the old one or the new one, never half of it."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

from mmengine.fileio import LocalBackend, register_backend
from PIL import Image

_TEMPORARY = '.tmp'
#: how whole files of a kind end: so many bytes, which begin so
_ENDS = {
    '.png': (12, b'\0\0\0\0IEND'),
    '.npz': (22, b'PK\5\6'),
    '.jpg': (2, b'\xff\xd9'),
}


def write_atomic(data: bytes, path: str | os.PathLike, durable: bool = True) -> None:
    """Write ``data`` under a temporary name, flush it to disk, rename it.

    Args:
        data: Content of the file.
        path: Where it goes; missing folders are made. A rename within one folder is
            atomic on POSIX file systems.
        durable: Wait for the disk, so that a power failure leaves no empty file;
            ``False`` for thousands of small files that can be made again.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f'{target.name}.{os.getpid()}{_TEMPORARY}')
    try:
        with open(temporary, 'wb') as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(content: Any, path: str | os.PathLike) -> None:
    """Write ``content`` as JSON, complete or not at all."""
    write_atomic(f'{json.dumps(content, indent=2)}\n'.encode(), path)


def write_picture(
    picture: Image.Image, path: str | os.PathLike, **options: Any
) -> None:
    """Write an image file, complete or not at all; without waiting for the disk.

    Args:
        picture: PIL image.
        path: file name, whose suffix says the format; folders are made.
        **options: of PIL's ``save`` for that format.
    """
    buffer = io.BytesIO()
    kind = Image.registered_extensions()[Path(path).suffix.lower()]
    picture.save(buffer, format=kind, **options)
    write_atomic(buffer.getvalue(), path, durable=False)


def is_whole(path: str | os.PathLike) -> bool:
    """Whether a file is there and, for PNG, NPZ and JPEG files, was not cut off.

    A power failure may leave files that were written without waiting for the disk
    empty or half; whoever goes on makes them again. Only the last bytes are read.
    """
    path = Path(path)
    if not path.is_file():
        return False
    size, begin = _ENDS.get(path.suffix, (0, b''))
    with open(path, 'rb') as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(length - size, 0))
        return file.read(len(begin)) == begin


@register_backend('atomic', force=True)
class AtomicLocalBackend(LocalBackend):
    """mmengine's local file backend with atomic writes (``backend='atomic'``)."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes atomically."""
        write_atomic(obj, filepath)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text atomically."""
        write_atomic(obj.encode(encoding), filepath)
