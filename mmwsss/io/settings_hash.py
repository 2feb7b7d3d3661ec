# Licensed under Apache-2.0.
"""Settings as plain values, and one short name for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any


def settings_hash(settings: Any) -> str:
    """16 hexadecimal digits; equal for equal settings, whatever their order."""
    text = json.dumps(plain(settings), sort_keys=True, ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:16]


def plain(value: Any) -> Any:
    """As JSON gives it back: tuples as lists, paths and the like as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    known = value is None or isinstance(value, (bool, int, float, str))
    return value if known else str(value)
