# Licensed under Apache-2.0.
"""Where configs and tools lie, for tests in this repository and outside of it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TypeAlias

from mmengine.config import Config

#: a config's path, or the whole config
ConfigLike: TypeAlias = str | Path | dict | Config
_PACKAGE = Path(__file__).resolve().parents[1]


def source_folder() -> Path:
    """The folder with mmwsss's own ``configs`` and ``tools``.

    In a clone that is the clone; an installed package brings both in ``.mim``.
    """
    clone = _PACKAGE.parent
    return clone if (clone / 'tools' / 'train.py').is_file() else _PACKAGE / '.mim'


def find_config(config: str | Path) -> Path:
    """The file of a config.

    Args:
        config: its path. A relative one is looked for in the working directory,
            then in the folder of mmwsss's own configs.

    Raises:
        FileNotFoundError: it is in neither.
    """
    places = [Path.cwd() / config, source_folder() / config]
    for path in places:
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'config {config} is neither {places[0]} nor {places[1]}: give the path of '
        'the file, best from the test file on: Path(__file__).parent / ...'
    )


def load_config(config: ConfigLike) -> Config:
    """A config that may be changed, from a path or from a whole config."""
    if isinstance(config, (str, Path)):
        return Config.fromfile(find_config(config))
    config = copy.deepcopy(config)
    return config if isinstance(config, Config) else Config(config)


def config_name(config: ConfigLike) -> str:
    """The name under which a config's numbers are kept."""
    if isinstance(config, (str, Path)):
        return Path(config).stem
    return str(config['model']['type']).rpartition('.')[2].lower()
