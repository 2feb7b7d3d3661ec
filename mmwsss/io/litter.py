# Licensed under Apache-2.0.
"""What systems and archives leave beside a user's files."""

from __future__ import annotations

#: of macOS archives, network drives, Windows, Jupyter; any case
_LITTER = frozenset(
    (
        *('__macosx', '@eadir', '$recycle.bin', 'system volume information'),
        *('thumbs.db', 'ehthumbs.db', 'desktop.ini', 'icon\r'),
    )
)


def is_litter(name: str) -> bool:
    """Whether a file or folder is nobody's data, by its name alone.

    Example:
        >>> [is_litter(name) for name in ('._a.jpg', '__MACOSX', 'Thumbs.db', 'a.jpg')]
        [True, True, True, False]
    """
    return name.startswith('.') or name.lower() in _LITTER
