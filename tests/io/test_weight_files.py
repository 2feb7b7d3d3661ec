# Licensed under Apache-2.0.
from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmwsss.io import weight_files
from mmwsss.io.checkpoint import load_checkpoint_file
from mmwsss.io.errors import UserError
from mmwsss.io.weight_files import (
    WEIGHTS_ENV,
    check_hash,
    check_own_name,
    file_hash,
    hash_in_name,
    stored_weights,
)

URL = 'https://example.invalid/models/net-{}.pth'


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """$MMWSSS_WEIGHTS."""
    monkeypatch.setenv(WEIGHTS_ENV, str(tmp_path / 'weights'))
    (tmp_path / 'weights' / 'net').mkdir(parents=True)
    return tmp_path / 'weights'


def save(path: Path) -> Path:
    torch.save({'weight': torch.arange(3.0)}, path)
    return path


@pytest.mark.parametrize(
    ('name', 'digits'),
    [
        ('deit-a1311bcf.pth', 'a1311bcf'),
        ('a/net-' + 'ab' * 32 + '.safetensors', 'ab' * 32),
        ('net-a1311bc.pth', None),
        ('net-a1311bcf-old.pth', None),
        ('net.pth', None),
    ],
)
def test_hash_in_name(name: str, digits: str | None) -> None:
    assert hash_in_name(name) == digits


def test_hash_is_checked(tmp_path: Path) -> None:
    file = save(tmp_path / 'net.pth')
    check_hash(file)  # its name promises nothing
    right = file.rename(tmp_path / f'net-{file_hash(file)[:8]}.pth')
    check_hash(right)
    wrong = right.rename(tmp_path / 'net-00000000.pth')
    with pytest.raises(UserError, match='net-00000000.pth has the sha256 .* damaged'):
        check_hash(wrong)


def test_not_looked_for_where_the_variable_is_unset(monkeypatch) -> None:
    monkeypatch.delenv(WEIGHTS_ENV, raising=False)
    assert stored_weights(URL.format('a1311bcf')) is None


def test_the_exact_name_comes_first(folder: Path) -> None:
    url = URL.format('a1311bcf')
    assert stored_weights(url) is None
    without = save(folder / 'net' / 'net.pth')
    assert stored_weights(url) == without
    exact = save(folder / 'net' / 'net-a1311bcf.pth')
    assert stored_weights(f'{url}?download=1') == exact


def test_a_folder_that_is_not_there_is_refused(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv(WEIGHTS_ENV, str(folder / 'absent'))
    with pytest.raises(UserError, match='absent is no folder: correct or unset it'):
        stored_weights('net.pth')


def test_a_url_is_taken_from_the_folder(folder: Path, monkeypatch) -> None:
    said = []
    monkeypatch.setattr(weight_files, 'print_log', lambda text, _: said.append(text))
    file = save(folder / 'net' / 'net.pth')
    loaded = load_checkpoint_file(URL.format('a1311bcf'))
    assert torch.equal(loaded['weight'], torch.arange(3.0))
    assert f'taken from {file}' in said[0] and file_hash(file)[:8] in said[0]


def test_a_damaged_file_is_refused(folder: Path) -> None:
    save(folder / 'net-a1311bcf.pth')
    with pytest.raises(UserError, match='its name says a1311bcf'):
        load_checkpoint_file(URL.format('a1311bcf'))


@pytest.mark.parametrize('digits', ['a1311bcf', '00000000', '20249931'])
def test_the_name_of_a_local_file_is_taken_at_its_word(
    tmp_path: Path, digits: str
) -> None:
    file = save(tmp_path / f'net-{digits}.pth')
    with pytest.raises(UserError, match=f'its name says {digits}: .* rename it'):
        load_checkpoint_file(str(file))


def test_a_right_name_loads(tmp_path: Path) -> None:
    file = save(tmp_path / 'net.pth')
    file = file.rename(tmp_path / f'net-{file_hash(file)[:8]}.pth')
    assert load_checkpoint_file(str(file))


@pytest.mark.parametrize(
    'name',
    ['net.pth', 'run-20240131.pth', 'net-a1311bcf-old.pth', 'a1311bcf.pth',
     'net-a1311bcf.pkl', 'net-A1311BCF.pth', 'net-a1311bcf0.pth'],
)  # fmt: skip
def test_names_that_promise_nothing(tmp_path: Path, name: str) -> None:
    assert load_checkpoint_file(str(save(tmp_path / name)))


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch) -> None:
    file = save(tmp_path / 'net.pth')
    file = file.rename(tmp_path / f'net-{file_hash(file)[:8]}.pth')
    read, real = [], weight_files.file_hash
    monkeypatch.setattr(weight_files, 'file_hash', lambda p: read.append(p) or real(p))
    check_own_name(file)
    check_own_name(file)
    assert len(read) == 1
    file.write_bytes(b'another')
    with pytest.raises(UserError, match='damaged'):
        check_own_name(file)
