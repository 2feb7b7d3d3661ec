# Licensed under Apache-2.0.
"""Files of somebody else at a place of ours: a link, or a whole copy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .errors import UserError


def place_file(source: str, target: Path, copy: bool) -> None:
    """Link a file, or copy it, unless it is there.

    Raises:
        UserError: if the file system has no links.
    """
    source = os.path.realpath(source)
    if os.path.realpath(target) == source:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'{target.name}.{os.getpid()}.tmp')
    if copy:
        if not target.is_symlink() and _same_size(source, target):
            return
        shutil.copyfile(source, part)
    else:
        try:
            part.symlink_to(source)
        except OSError as error:
            raise UserError(
                f'{target} can not be a link ({error.strerror}): use --copy'
            ) from error
    os.replace(part, target)


def _same_size(source: str, target: Path) -> bool:
    return target.is_file() and target.stat().st_size == os.stat(source).st_size
