# Licensed under Apache-2.0.
"""The files of the project, without those that a user has put beside them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def own_files() -> frozenset[Path]:
    """What git knows; where this is no clone, everything."""
    command = ['git', '-C', str(ROOT), 'ls-files', '-z']
    known = None
    if (ROOT / '.git').exists():
        known = subprocess.run(command, capture_output=True, text=True, check=False)
    if known is None or known.returncode:
        return frozenset(path for path in ROOT.rglob('*') if path.is_file())
    return frozenset(ROOT / name for name in known.stdout.split('\0') if name)


def is_own(path: Path) -> bool:
    """Whether a file, or a file of a folder, is the project's."""
    return path in own_files() or any(path in file.parents for file in own_files())
