# Licensed under Apache-2.0.
"""Scripts as modules."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def load_tool(monkeypatch) -> Callable[[Path], ModuleType]:
    """``load_tool(path)`` imports a script of ``tools/``, which may import files
    beside it."""

    def load(path: Path) -> ModuleType:
        monkeypatch.syspath_prepend(str(path.parent))
        name = f'tool_{path.stem}'
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load
