# Licensed under Apache-2.0.
"""The version of mmwsss; `pyproject.toml` reads it from here."""

__version__ = '0.1.0'
