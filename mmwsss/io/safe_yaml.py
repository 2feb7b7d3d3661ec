# Licensed under Apache-2.0.
"""YAML as data: mmengine's own reader builds any Python object that a file names."""

from __future__ import annotations

from typing import IO, Any

import yaml
from mmengine.fileio import BaseFileHandler, register_handler

from .errors import UserError


class SafeYamlHandler(BaseFileHandler):
    """Reads and writes YAML of mappings, lists, numbers and text alone."""

    def load_from_fileobj(self, file: IO[str], **_: Any) -> Any:
        """The content of an open file.

        Raises:
            UserError: if it is no YAML, or wants to build objects of Python.
        """
        try:
            return yaml.safe_load(file)
        except yaml.constructor.ConstructorError as error:
            name = getattr(file, 'name', 'the YAML file')
            raise UserError(
                f'{name} holds a tag that would run code, which is never done '
                f'({_one_line(error)}): take it out, or write the config in Python'
            ) from error
        except yaml.YAMLError as error:
            name = getattr(file, 'name', 'the YAML file')
            raise UserError(f'{name} is not valid YAML ({_one_line(error)})') from error

    def dump_to_fileobj(self, obj: Any, file: IO[str], **settings: Any) -> None:
        """Write into an open file."""
        yaml.safe_dump(obj, file, **settings)

    def dump_to_str(self, obj: Any, **settings: Any) -> str:
        """The text."""
        return yaml.safe_dump(obj, **settings)


def _one_line(error: yaml.YAMLError) -> str:
    return ' '.join(str(error).split())


def use_safe_yaml() -> None:
    """Let everything that mmengine reads as YAML, configs too, be read as data."""
    register_handler(['yaml', 'yml'])(SafeYamlHandler)
