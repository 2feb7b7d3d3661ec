# Licensed under Apache-2.0.
"""One run at a time in a folder, and nothing left alive of a run that was killed."""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import lock_descriptor
from mmengine.logging import print_log

#: lock of a folder of outputs; hidden, so that it is none of them
OUTPUT_LOCK = '.lock'
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_GRACE = 10.0  # seconds


class BusyError(RuntimeError):
    """Another run works in the same folder."""


def try_lock(file: IO) -> bool:
    """Lock an open file.

    The lock belongs to the open file: it ends with the last process that has it open,
    however that ends. Where the file system knows no locks, the log says so.

    Returns:
        ``False`` if the file is locked by somebody who opened it, too.
    """
    try:
        return lock_descriptor(file.fileno(), blocking=False)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print_log(
            f'{file.name}: this file system knows no locks; make sure that no '
            'second run works in the same folder'
        )
    return True


@contextmanager
def folder_lock(folder: Path, option: str, name: str = 'lock') -> Iterator[None]:
    """Keep other runs out of a folder while the context is open.

    The file is deleted at the end; when a run is killed it stays, the lock doesn't.

    Args:
        folder: Made if it isn't there.
        option: The tool's option that gives the folder, for messages.
        name: File in the folder; its text says who holds the lock.

    Raises:
        BusyError: A run is at work there; names its process.
        OSError: Nothing can be written there; names the folder and the fix.
    """
    with _open_lock(folder, option, name) as file:
        file.seek(0)
        holder = file.read().strip()
        if not try_lock(file) or os.fstat(file.fileno()).st_nlink == 0:
            raise BusyError(  # without a link: it has ended this moment
                f'another run works in {folder} ({holder or "just started"}): wait '
                f'for it or end it, or give another {option}'
            )
        if holder:
            print_log(
                f'the last run here ended without a word ({holder}); what it '
                'began goes on'
            )
        _name_holder(file)
        try:
            yield
        finally:
            (folder / name).unlink(missing_ok=True)


def _open_lock(folder: Path, option: str, name: str) -> IO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return open(folder / name, 'a+')
    except OSError as error:
        raise OSError(
            f'nothing can be written into {folder} ({error.strerror}): '
            f'give another {option}'
        ) from error


def _name_holder(file: IO) -> None:
    file.seek(0)
    file.truncate()
    file.write(
        f'process {os.getpid()} on {socket.gethostname()}, since '
        f'{time.strftime("%Y-%m-%d %H:%M:%S")}'
    )
    file.flush()


def writers(path: Path) -> list[int]:
    """Processes of this machine that print to ``path``, without this one."""
    # Not by psutil: it asks for every open file of every process, where two links are
    # enough, and a process that has ended but isn't reaped counts as alive there.
    target, found = os.path.realpath(path), []
    for process in Path('/proc').glob('[0-9]*'):
        if int(process.name) != os.getpid() and any(
            _links_to(process / 'fd' / stream, target) for stream in '12'
        ):
            found.append(int(process.name))
    return found


def _links_to(link: Path, target: str) -> bool:
    try:
        return os.readlink(link) == target
    except OSError:  # it ended meanwhile, or belongs to somebody else
        return False


def end_writers(path: Path) -> list[int]:
    """End what a stopped stage left alive: processes that still print to its log.

    Returns:
        The processes that were there.
    """
    found = writers(path)
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = writers(path)
        for process in left:
            _signal(process, number)
        deadline = time.time() + _GRACE
        while left and time.time() < deadline:
            time.sleep(0.05)
            left = writers(path)
    return found


def _signal(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return
