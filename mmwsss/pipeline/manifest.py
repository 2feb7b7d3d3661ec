# Licensed under Apache-2.0.
"""What a folder of outputs was made with, so that nothing else is mixed into it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.errors import UserError
from mmwsss.io.provenance import MANIFEST
from mmwsss.io.settings_hash import plain, settings_hash

from .fingerprint import changes_in_words


class ManifestMismatch(UserError):
    """A folder holds outputs of other settings."""


def read_manifest(folder: str | Path) -> dict[str, Any] | None:
    """The manifest of a folder; ``None`` if it has none.

    Raises:
        ValueError: if the file is no manifest.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        if isinstance(content, dict) and isinstance(content['settings'], dict):
            return content
    except (json.JSONDecodeError, KeyError, UnicodeDecodeError):
        pass
    raise ValueError(
        f'{path} is no manifest. Fix: delete it with its folder, or give '
        'another folder.'
    )


def write_manifest(folder: str | Path, content: Mapping[str, Any]) -> None:
    """Write the manifest, complete or not at all."""
    text = json.dumps(plain(content), indent=2, ensure_ascii=False)
    write_atomic(f'{text}\n'.encode(), Path(folder) / MANIFEST)


def put_aside(folder: Path, target: Path) -> Path:
    """Move a folder out of the way; an older one at ``target`` is deleted."""
    if target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    return folder.rename(target)


def claim_folder(
    folder: str | Path, settings: Mapping[str, Any], **facts: Any
) -> dict[str, Any]:
    """Write the settings into a folder that is new, or compare them with its own.

    Args:
        folder: of the outputs.
        settings: all that the outputs depend on; JSON values.
        **facts: what is noted besides, without being compared.

    Returns:
        The manifest.

    Raises:
        ManifestMismatch: naming what differs.
    """
    settings, there = plain(settings), read_manifest(folder)
    if there is not None:
        changes = changes_in_words(there['settings'], settings)
        if changes:
            raise ManifestMismatch(
                f'{folder} holds outputs of other settings (there → asked for): '
                f'{changes}. Fix: give another folder, the same settings, or '
                '--overwrite to begin anew.'
            )
    content = plain(facts) | dict(
        settings=settings, settings_hash=settings_hash(settings)
    )
    write_manifest(folder, content)
    return content
