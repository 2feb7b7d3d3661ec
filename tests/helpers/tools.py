# Licensed under Apache-2.0.
"""Scripts of ``tools/`` as modules."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from .training import ROOT


def load_tool(path: str | Path) -> ModuleType:
    """Import a script that needs no file beside it, from the root of the project."""
    spec = importlib.util.spec_from_file_location(
        f'tool_{Path(path).stem}', ROOT / path
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
