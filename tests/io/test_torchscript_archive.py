# Licensed under Apache-2.0.
"""TorchScript archives and safetensors files, opened as data."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from mmwsss.io.errors import UserError
from mmwsss.io.safetensors_file import is_safetensors, read_safetensors
from mmwsss.io.torchscript_archive import is_torchscript, read_torchscript
from tests.helpers.tiny_clip import save_safetensors


class Net(nn.Module):
    """Modules of several kinds, a buffer, a plain value, a list of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.register_buffer('resolution', torch.tensor(224))
        self.scale = nn.Parameter(torch.ones([]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(self.conv(x).mean((2, 3))) * self.scale


@pytest.mark.parametrize('kind', ['script', 'trace'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_tensors_by_name(tmp_path, kind: str, dtype: torch.dtype) -> None:
    net = Net().eval()
    path = tmp_path / 'net.pt'
    if kind == 'script':
        torch.jit.script(net.to(dtype)).save(str(path))
    else:
        traced = torch.jit.trace(net, torch.zeros(1, 3, 8, 8))
        traced.to(dtype).save(str(path))
    found, expected = read_torchscript(path), net.to(dtype).state_dict()
    assert is_torchscript(path)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and torch.equal(found[name], value)


def test_shared_and_strided_storages(tmp_path) -> None:
    net = nn.Module()
    whole = torch.arange(12.0).view(3, 4)
    net.register_buffer('turned', whole.t())
    net.register_buffer('part', whole[1])
    torch.jit.script(net).save(str(tmp_path / 'net.pt'))
    found = read_torchscript(tmp_path / 'net.pt')
    assert torch.equal(found['turned'], whole.t())
    assert torch.equal(found['part'], whole[1])


def repacked(source: Path, target: Path, **changed: bytes) -> None:
    """The archive with some records replaced, by the end of their names."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, 'w') as new:
        for info in old.infolist():
            name = info.filename.partition('/')[2].replace('/', '_').replace('.', '_')
            new.writestr(info.filename, changed.get(name, old.read(info)))


class Bad:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path('ran'),)


@pytest.mark.parametrize(
    'change',
    [
        dict(data_pkl=pickle.dumps(Bad())),
        dict(data_pkl=pickle.dumps([1, 2])),
        dict(data_pkl=b'no pickle'),
        dict(data_0=b'\0'),
    ],
)
def test_anything_else_is_refused(tmp_path, monkeypatch, change) -> None:
    monkeypatch.chdir(tmp_path)
    torch.jit.script(Net()).save('net.pt')
    repacked(Path('net.pt'), Path('bad.pt'), **change)
    with pytest.raises(UserError, match=r'bad\.pt is refused') as caught:
        read_torchscript('bad.pt')
    assert '\n' not in str(caught.value)
    assert not Path('ran').exists()


def test_other_files_are_none(tmp_path) -> None:
    torch.save(dict(x=torch.ones(1)), tmp_path / 'plain.pth')
    (tmp_path / 'text').write_text('text')
    assert not is_torchscript(tmp_path / 'plain.pth')
    assert not is_torchscript(tmp_path / 'text')
    assert not is_safetensors(tmp_path / 'plain.pth')
    assert not is_safetensors(tmp_path / 'text')


def test_safetensors(tmp_path) -> None:
    path = tmp_path / 'some.safetensors'
    state = dict(
        a=torch.randn(2, 3),
        b=torch.randn(5).half(),
        c=torch.arange(4),
        d=torch.tensor(1.5),
        e=torch.zeros(0, 3),
    )
    save_safetensors(state, path)
    assert is_safetensors(path)
    found = read_safetensors(path)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[k], v) for k, v in state.items())


@pytest.mark.parametrize('cut', [4, 40, -3])
def test_safetensors_cut_off(tmp_path, cut: int) -> None:
    path = tmp_path / 'some.safetensors'
    save_safetensors(dict(a=torch.randn(20)), path)
    buffer = io.BytesIO(path.read_bytes()[:cut])
    path.write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match='no readable safetensors file'):
        read_safetensors(path)
