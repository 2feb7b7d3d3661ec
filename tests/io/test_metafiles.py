# Licensed under Apache-2.0.
"""Entries of metafiles, and the files that they name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mmwsss.io.errors import UserError
from mmwsss.io.metafiles import (
    models,
    published,
    published_weights,
    read_metafile,
    replace_entry,
)

TEXT = """\
Collections:
  - Name: A
    README: configs/a/README.md

Models:
  - Name: a_one
    In Collection: A
    Metadata:
      Weights: none released
  # a remark
  - Name: a_two
    In Collection: A
    Metadata:
      Training Data:
        - Shapes
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A clone with one metafile and a file in the zoo."""
    (tmp_path / 'configs/a').mkdir(parents=True)
    (tmp_path / 'configs/a/metafile.yml').write_text(TEXT)
    (tmp_path / 'zoo').mkdir()
    (tmp_path / 'zoo/a_one-12345678.pth').write_bytes(b'weights')
    return tmp_path


def entry(**more) -> dict:
    digest = hashlib.sha256(b'weights').hexdigest()
    return dict(Name='a_one', Weights='zoo/a_one-12345678.pth', **more) | dict(
        Metadata=dict(SHA256=digest, Classes=['ä', 'b'])
    )


def test_one_entry_is_written_anew(root: Path) -> None:
    path = root / 'configs/a/metafile.yml'
    replace_entry(path, entry())
    assert list(published(root)) == ['a_one'] and list(models(root)) == [
        'a_one',
        'a_two',
    ]
    assert models(root)['a_one'] == entry()
    head, tail = TEXT.split('  - Name: a_one')[0], '  # a remark\n  - Name: a_two'
    text = path.read_text('utf-8')
    assert text.startswith(head) and text.endswith(tail + TEXT.split(tail)[1])
    assert '      Classes:\n        - ä\n' in text
    replace_entry(path, dict(Name='a_two', Metadata={}))  # the last one
    assert read_metafile(path)['Models'][1] == dict(Name='a_two', Metadata={})


@pytest.mark.parametrize('name', ['a_three', 'a_'])
def test_no_such_entry(root: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"has 0 lines '  - Name: {name}'"):
        replace_entry(root / 'configs/a/metafile.yml', dict(Name=name))


def test_weights_are_checked(root: Path) -> None:
    assert published_weights(root, entry()) == b'weights'
    (root / 'zoo/a_one-12345678.pth').write_bytes(b'wrights')
    with pytest.raises(UserError, match='12345678.pth has the sha256 .* Restore it'):
        published_weights(root, entry())
    (root / 'zoo/a_one-12345678.pth').unlink()
    with pytest.raises(FileNotFoundError, match='metafile of a_one names it'):
        published_weights(root, entry())
