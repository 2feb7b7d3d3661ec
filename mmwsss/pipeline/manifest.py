# Licensed under Apache-2.0.
"""What a folder of outputs was made with, so that nothing else is mixed into it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.errors import UserError

MANIFEST = 'manifest.json'
_SHOWN = 8


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
        changes = differences(there['settings'], settings)
        if changes:
            more = f'; and {len(changes) - _SHOWN} more' if changes[_SHOWN:] else ''
            raise ManifestMismatch(
                f'{folder} holds outputs of other settings (there → asked for): '
                f'{"; ".join(changes[:_SHOWN])}{more}. Fix: give another folder, the '
                'same settings, or --overwrite to begin anew.'
            )
    content = plain(facts) | dict(
        settings=settings, settings_hash=settings_hash(settings)
    )
    write_manifest(folder, content)
    return content


def settings_hash(settings: Any) -> str:
    """16 hexadecimal digits; equal for equal settings, whatever their order."""
    text = json.dumps(plain(settings), sort_keys=True, ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:16]


def differences(there: Any, asked: Any, name: str = '') -> list[str]:
    """``name: value there → value asked for`` of every entry that differs.

    Lists of dicts (transforms, hooks) are compared entry by entry where both have as
    many, so that what has changed isn't lost in the part that is left out.
    """
    if _dicts(there) and _dicts(asked) and len(there) == len(asked):
        there, asked = (
            dict(zip(map(str, range(len(both))), both)) for both in (there, asked)
        )
    if isinstance(there, dict) and isinstance(asked, dict):
        prefix = f'{name}.' if name else ''
        return [
            line
            for key in sorted({*there, *asked})
            for line in differences(
                there.get(key, 'nothing'), asked.get(key, 'nothing'), prefix + key
            )
        ]
    same = type(there) is type(asked) and there == asked
    return [] if same else [f'{name}: {_short(there)} → {_short(asked)}']


def _dicts(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _short(value: Any) -> str:
    text = value if value == 'nothing' else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f'{text[:57]}...'


def plain(value: Any) -> Any:
    """As JSON gives it back: tuples as lists, paths and the like as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    known = value is None or isinstance(value, (bool, int, float, str))
    return value if known else str(value)


def weights_hash(model: nn.Module) -> str:
    """16 hexadecimal digits of all parameters and buffers with their names."""
    digest = sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            data = tensor.detach().cpu().contiguous()
            digest.update(f'{name} {tuple(data.shape)} {data.dtype}'.encode())
            digest.update(data.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
