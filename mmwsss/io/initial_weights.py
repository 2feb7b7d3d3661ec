# Licensed under Apache-2.0.
"""Initial weights that configs name: ``zoo/backbones.yml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from .errors import UserError
from .fetch import file_name
from .metafiles import ZOO

_FILE = f'{ZOO}/backbones.yml'
#: keys of an entry → attributes
_KEYS = {
    'Name': 'name',
    'URL': 'url',
    'SHA256': 'sha256',
    'Architecture': 'architecture',
    'Trained On': 'trained_on',
    'Licence': 'licence',
    'Page': 'page',
    'Place': 'place',
}


@dataclass(frozen=True)
class Backbone:
    """Weights of an encoder, by a public address.

    Attributes:
        name: in the zoo.
        url: http(s), or a name of torchvision's or OpenMMLab's list
            (``torchvision://resnet50``).
        architecture: e.g. ``DeiT-Ti/16``.
        trained_on: the pictures.
        sha256: its first digits, as far as they are public; ``None``: not known.
        licence: where it is known.
        page: where the authors tell of it, if the address isn't theirs.
        place: folder in which configs look for it; ``None``: they name the address.
    """

    name: str
    url: str
    architecture: str
    trained_on: str
    sha256: str | None = None
    licence: str | None = None
    page: str | None = None
    place: str | None = None

    def is_of(self, source: str) -> bool:
        """Whether a config that names ``source``, an address or a path, means it."""
        by_path = self.place is not None and '://' not in source
        return source == self.url or (by_path and self.file == file_name(source))

    @property
    def file(self) -> str:
        """Name of the file behind an http address."""
        return file_name(self.url)


def backbones(root: Path) -> dict[str, Backbone]:
    """All initial weights that are known, by name.

    Args:
        root: the clone, or ``.mim`` of the installed package.

    Raises:
        UserError: if an entry has a key that isn't one, or lacks one.
    """
    entries = yaml.safe_load((root / _FILE).read_text(encoding='utf-8'))
    return {entry.get('Name'): _backbone(entry) for entry in entries}


def _backbone(entry: dict[str, str]) -> Backbone:
    try:
        return Backbone(**{_KEYS[key]: str(value) for key, value in entry.items()})
    except (KeyError, TypeError) as error:
        raise UserError(
            f'{_FILE}, {entry.get("Name")}: {error}; an entry has {", ".join(_KEYS)}'
        ) from None
