# Licensed under Apache-2.0.
"""Files come whole or not at all, whatever the server does."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmwsss.io import fetch as module
from mmwsss.io.errors import UserError
from mmwsss.io.fetch import FetchError, fetch, file_name, local_path
from tests.helpers.file_server import FileServer, file_server
from tests.helpers.training import free_port

CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch) -> Iterator[FileServer]:
    monkeypatch.setattr(module, '_PAUSE', 0)
    # a proxy has no business with an address of this machine
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with file_server() as served:
        served.files['net.pth'] = CONTENT
        yield served


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize('known', [None, DIGEST[:8], DIGEST])
def test_a_file_comes_whole(server: FileServer, tmp_path: Path, known) -> None:
    path = tmp_path / 'new/folder/net.pth'
    assert fetch(f'{server.url}/net.pth?download=1', path, known) == DIGEST
    assert path.read_bytes() == CONTENT and names(path.parent) == ['net.pth']
    assert fetch(f'{server.url}/net.pth', path, known) == DIGEST
    assert len(server.asked) == 1  # what is there isn't fetched again


def test_a_transfer_that_breaks_off_goes_on(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [1000, 2000]
    assert fetch(f'{server.url}/net.pth', tmp_path / 'net.pth', DIGEST) == DIGEST
    assert [wanted for _, wanted in server.asked] == [
        None,
        'bytes=1000-',
        'bytes=3000-',
    ]
    assert names(tmp_path) == ['net.pth']


def test_the_next_command_goes_on(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [1000, 0, 0]
    with pytest.raises(FetchError, match=r'3 times \(1000 of 10240 bytes are here\)'):
        fetch(f'{server.url}/net.pth', tmp_path / 'net.pth', DIGEST)
    assert names(tmp_path) == ['net.pth.part', 'net.pth.part.json']
    fetch(f'{server.url}/net.pth', tmp_path / 'net.pth')
    assert server.asked[-1] == ('net.pth', 'bytes=1000-')
    assert (tmp_path / 'net.pth').read_bytes() == CONTENT
    assert names(tmp_path) == ['net.pth']


def interrupted(server: FileServer, path: Path) -> None:
    """Leave a thousand bytes of the file there."""
    server.cuts = [1000, 0, 0]
    with pytest.raises(FetchError):
        fetch(f'{server.url}/net.pth', path)
    server.asked.clear()


@pytest.mark.parametrize('how', ['changed', 'no ranges', 'no version', 'other place'])
def test_a_part_that_can_not_be_trusted_is_begun_anew(
    server: FileServer, tmp_path: Path, how: str
) -> None:
    server.etag = how != 'no version'
    interrupted(server, tmp_path / 'net.pth')
    other = CONTENT[::-1]
    server.files.update({'net.pth': other, 'b.pth': other})
    server.ranges = how != 'no ranges'
    name = 'b.pth' if how == 'other place' else 'net.pth'
    fetch(f'{server.url}/{name}', tmp_path / 'net.pth')
    assert (tmp_path / 'net.pth').read_bytes() == other
    assert len(server.asked) == 1 and names(tmp_path) == ['net.pth']


def test_joined_parts_of_two_files_are_noticed(
    server: FileServer, tmp_path: Path
) -> None:
    """A server that tells one version of two files."""
    interrupted(server, tmp_path / 'net.pth')
    (tmp_path / 'net.pth.part').write_bytes(b'?' * 1000)
    assert fetch(f'{server.url}/net.pth', tmp_path / 'net.pth', DIGEST) == DIGEST
    assert [wanted for _, wanted in server.asked] == ['bytes=1000-', None]


def test_a_part_longer_than_the_file(server: FileServer, tmp_path: Path) -> None:
    interrupted(server, tmp_path / 'net.pth')
    (tmp_path / 'net.pth.part').write_bytes(CONTENT + b'more')
    fetch(f'{server.url}/net.pth', tmp_path / 'net.pth')
    assert (tmp_path / 'net.pth').read_bytes() == CONTENT


def test_a_wrong_hash_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=rf'net.pth has the sha256 {DIGEST[:8]}…, 0{{8}}… is expected'
    ):
        fetch(f'{server.url}/net.pth', tmp_path / 'net.pth', '0' * 8)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ('statuses', 'said'),
    [
        ([404], r'gives no file: the server says 404 Not Found'),
        ([403], r'the server says 403 Forbidden'),
        ([503] * 3, r'broke off 3 times \(it says 503 Service Unavailable\)'),
    ],
)
def test_refusals(server: FileServer, tmp_path: Path, statuses, said: str) -> None:
    server.statuses = statuses
    with pytest.raises(FetchError, match=said) as caught:
        fetch(f'{server.url}/net.pth', tmp_path / 'net.pth')
    assert '\n' not in str(caught.value) and names(tmp_path) == []


def test_a_server_that_recovers(server: FileServer, tmp_path: Path) -> None:
    server.statuses = [502, 200]
    assert fetch(f'{server.url}/net.pth', tmp_path / 'net.pth') == DIGEST


def test_a_web_page_is_no_file(server: FileServer, tmp_path: Path) -> None:
    server.files['net.pth'] = b'<!DOCTYPE html><html>Virus scan warning' + CONTENT
    with pytest.raises(FetchError, match='gives a web page, not the file'):
        fetch(f'{server.url}/net.pth', tmp_path / 'net.pth')
    assert names(tmp_path) == []


def test_no_network(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    url = f'http://127.0.0.1:{free_port()}/net.pth'
    with pytest.raises(FetchError, match=r'can not be reached \(.*refused\)') as caught:
        fetch(url, tmp_path / 'net.pth')
    assert '\n' not in str(caught.value) and names(tmp_path) == []


@pytest.mark.parametrize('scheme', ['', 'file://'])
def test_a_file_of_this_machine(tmp_path: Path, scheme: str) -> None:
    source = tmp_path / 'a b' / 'net.pth'
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    address = source.as_uri() if scheme else str(source)
    assert file_name(address) == 'net.pth'
    assert fetch(address, tmp_path / 'to/net.pth', DIGEST) == DIGEST
    with pytest.raises(UserError, match='Nothing was written'):
        fetch(address, tmp_path / 'new/net.pth', '0' * 8)
    assert names(tmp_path) == ['a b', 'to'] and names(tmp_path / 'to') == ['net.pth']
    with pytest.raises(FileNotFoundError, match='is not there'):
        fetch(address + 'x', tmp_path / 'new/net.pth')


def test_another_file_in_its_place_stays(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / 'net.pth').write_bytes(b'mine')
    with pytest.raises(UserError, match='is there already .* Delete it, or give'):
        fetch(f'{server.url}/net.pth', tmp_path / 'net.pth', DIGEST)
    assert (tmp_path / 'net.pth').read_bytes() == b'mine' and not server.asked


def test_two_at_once_fetch_it_once(server: FileServer, tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(
                fetch(f'{server.url}/net.pth', tmp_path / 'net.pth', DIGEST)
            )
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [DIGEST] * 4 and len(server.asked) == 1
    assert names(tmp_path) == ['net.pth']


@pytest.mark.parametrize('address', ['ftp://x.org/a.pth', 'file://host/a.pth'])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(UserError, match='give http://, https://, file:///PATH'):
        local_path(address)
