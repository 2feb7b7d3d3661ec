# Licensed under Apache-2.0.
"""Fetching what the model zoo names: models with their configs, initial weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.errors import UserError
from mmwsss.io.fetch import FetchError, fetch, local_path
from mmwsss.io.initial_weights import Backbone
from mmwsss.io.weight_files import WEIGHTS_ENV, hash_in_name

#: beside a file whose sha256 nobody has published, in the format of ``sha256sum``
NOTED = '.sha256'


def address(mirror: str, file: str) -> str:
    """The address of a file in a mirror.

    Args:
        mirror: ``http(s)://``, ``file://`` or a folder.
        file: its name.
    """
    local_path(mirror)  # refuses other addresses
    return f'{mirror.rstrip("/")}/{file}'


def fetch_model(
    root: Path, entry: Mapping[str, Any], dest: Path, mirror: str | None = None
) -> tuple[Path, Path]:
    """Put a model's config, in one file, and its weights into a folder.

    Args:
        root: what holds ``configs`` and ``zoo``.
        entry: of a metafile, with ``Weights``.
        dest: the folder, which is made.
        mirror: where the file of weights is fetched from; ``None``: from ``zoo``.

    Returns:
        The config and the weights.

    Raises:
        UserError: if the weights are other ones, or another config is there.
        FetchError: if the mirror doesn't give them.
        FileNotFoundError: if they aren't in ``zoo``.
    """
    weights = dest / Path(entry['Weights']).name
    source = address(mirror, weights.name) if mirror else str(root / entry['Weights'])
    text = Config.fromfile(root / entry['Config']).pretty_text
    config = dest / f'{entry["Name"]}.py'
    refuse_other(config, text)
    try:
        fetch(source, weights, entry['Metadata']['SHA256'])
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{error}: the metafile of {entry["Name"]} names it. Take the whole clone '
            'or wheel, folder zoo/ included, or name a --mirror'
        ) from None
    write_atomic(text.encode(), config)
    return config, weights


def refuse_other(path: Path, text: str) -> None:
    """Refuse to write a config over another one.

    Raises:
        UserError: naming the file.
    """
    if path.exists() and path.read_text(encoding='utf-8') != text:
        raise UserError(
            f'{path} is there and has other settings: move it away, or give another '
            'folder with --dest'
        )


def default_folder(backbone: Backbone) -> Path:
    """Where configs look for initial weights on this machine."""
    if backbone.place is not None:
        return Path(backbone.place)
    if os.environ.get(WEIGHTS_ENV):
        return Path(os.environ[WEIGHTS_ENV])
    import torch  # slow, and needed here alone

    return Path(torch.hub.get_dir()) / 'checkpoints'


def fetch_backbone(
    backbone: Backbone, dest: Path | None = None, mirror: str | None = None
) -> Path:
    """Put initial weights into a folder.

    What isn't known of their sha256 is noted beside them at the first download, and
    compared from then on.

    Args:
        backbone: which.
        dest: the folder; ``None``: where configs look for them.
        mirror: where the file is fetched from instead of its own address.

    Returns:
        The file.

    Raises:
        UserError: if the file is another one.
        FetchError: if it can't be fetched.
    """
    url = _http_address(backbone)
    file = os.path.basename(url.partition('?')[0])
    path = (default_folder(backbone) if dest is None else dest) / file
    wanted = backbone.sha256 or hash_in_name(file) or _noted(path)
    try:
        found = fetch(address(mirror, file) if mirror else url, path, wanted)
    except FetchError as error:
        page = f' The authors tell of it on {backbone.page}.' if backbone.page else ''
        raise FetchError(
            f'{error}.{page} Without internet, fetch it elsewhere and give its folder '
            f'with --mirror, or put it at {path}'
        ) from None
    if wanted is None:
        note = path.with_name(path.name + NOTED)
        write_atomic(f'{found}  {path.name}\n'.encode(), note)
        print_log(
            f'{file}: no sha256 of it is public. This one has {found}, which is noted '
            f'in {note} and compared from now on'
        )
    return path


def _http_address(backbone: Backbone) -> str:
    if backbone.url.startswith('http'):
        return backbone.url
    from mmwsss.io.checkpoint import resolve_url  # slow, and needed here alone

    return resolve_url(backbone.url) or backbone.url


def _noted(path: Path) -> str | None:
    """The sha256 that was noted beside a file."""
    note = path.with_name(path.name + NOTED)
    return note.read_text().split()[0] if note.is_file() else None
