# Licensed under Apache-2.0.
"""Loading without unpickling code, and comparison with a model."""

from __future__ import annotations

import os
import pathlib
import uuid

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmwsss.io.checkpoint import (
    ALLOW_PICKLE_ENV,
    UnsafeCheckpointError,
    have_weights,
    load_checkpoint_file,
    use_safe_checkpoints,
)
from mmwsss.io.errors import UserError
from mmwsss.io.plain import restore_message_hub, to_plain
from mmwsss.io.weights import CheckpointMismatch, load_weights_strict
from tests.helpers.file_server import file_server


@pytest.fixture(autouse=True)
def policy(monkeypatch):
    monkeypatch.delenv(ALLOW_PICKLE_ENV, raising=False)
    monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '0')


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path(self.path),)


class Getter:
    """What an attacker would like ``getattr`` for."""

    def __reduce__(self):
        return getattr, (torch.Tensor, 'sum')


def hub_state():
    hub = MessageHub.get_instance(uuid.uuid4().hex)
    hub.update_scalar('train/loss', 1.5)
    hub.update_scalar('train/loss', 2.5)
    hub.update_info('best_score', np.float64(0.5))
    return hub.state_dict()


def test_plain_file_loads(tmp_path):
    file = tmp_path / 'a.pth'
    torch.save(dict(state_dict=dict(w=torch.ones(2)), meta=dict(iter=3)), file)
    loaded = load_checkpoint_file(str(file))
    assert torch.equal(loaded['state_dict']['w'], torch.ones(2))


@pytest.mark.parametrize(
    'load',
    [
        load_checkpoint_file,
        CheckpointLoader.load_checkpoint,
        lambda f: load_checkpoint(nn.Linear(1, 1), f),
    ],
)
def test_code_is_refused_and_does_not_run(tmp_path, load):
    file, trace = tmp_path / 'evil.pth', tmp_path / 'ran'
    torch.save(dict(state_dict={}, extra=Payload(trace)), file)
    with pytest.raises(UnsafeCheckpointError, match=r'evil\.pth.*--allow-pickle'):
        load(str(file))
    assert not trace.exists()


def test_getattr_is_refused(tmp_path):
    file = tmp_path / 'evil.pth'
    torch.save(dict(extra=Getter()), file)
    with pytest.raises(UnsafeCheckpointError):
        load_checkpoint_file(str(file))


@pytest.mark.parametrize('by_flag', [True, False])
def test_opt_in_is_loud(tmp_path, monkeypatch, caplog, by_flag):
    file, trace = tmp_path / 'trusted.pth', tmp_path / 'ran'
    torch.save(dict(extra=Payload(trace)), file)
    monkeypatch.setenv(ALLOW_PICKLE_ENV, '0' if by_flag else '1')
    warnings = []
    monkeypatch.setattr(
        'mmwsss.io.checkpoint.print_log', lambda text, *_: warnings.append(text)
    )
    use_safe_checkpoints(allow_pickle=by_flag)
    load_checkpoint_file(str(file))
    assert trace.exists()
    assert 'RUN ANY CODE' in warnings[0] and 'trusted.pth' in warnings[0]


def test_entry_points_close_the_fall_back(tmp_path):
    """mmengine's own loader falls back to unpickling; the variable stops it."""
    from mmengine.runner.checkpoint import _safe_torch_load

    file, trace = tmp_path / 'evil.pth', tmp_path / 'ran'
    torch.save(dict(extra=Payload(trace)), file)
    use_safe_checkpoints()
    assert os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] == '1'
    with pytest.raises(Exception, match='Weights only'):
        _safe_torch_load(str(file))
    assert not trace.exists()


def test_stock_mmengine_checkpoint_loads(tmp_path):
    file = tmp_path / 'stock.pth'
    torch.save(dict(message_hub=hub_state(), a=np.arange(3.0)), file)
    loaded = load_checkpoint_file(str(file))
    buffer = loaded['message_hub']['log_scalars']['train/loss']
    assert isinstance(buffer, HistoryBuffer) and buffer.mean() == 2.0


def test_plain_message_hub_comes_back(tmp_path):
    file = tmp_path / 'plain.pth'
    torch.save(to_plain(hub_state()), file)
    state = restore_message_hub(torch.load(file, weights_only=True))
    assert state['log_scalars']['train/loss'].data[0].tolist() == [1.5, 2.5]
    assert type(state['runtime_info']['best_score']) is float
    MessageHub.get_instance('test_checkpoint_2').load_state_dict(state)


def test_plain_names_the_place_of_what_it_refuses():
    with pytest.raises(TypeError, match=r'checkpoint\.meta\.model is a torch'):
        to_plain(dict(meta=dict(model=nn.Linear(1, 1))))


def test_messages_for_missing_files(tmp_path, monkeypatch):
    torch.save({}, tmp_path / 'other.pth')
    with pytest.raises(FileNotFoundError, match=r'none\.pth.*other\.pth'):
        load_checkpoint_file(str(tmp_path / 'none.pth'))
    with pytest.raises(FileNotFoundError, match='does not exist either'):
        load_checkpoint_file(str(tmp_path / 'no' / 'none.pth'))
    with pytest.raises(FileNotFoundError, match='no weights of that name'):
        load_checkpoint_file('torchvision://nothing')
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    with pytest.raises(ConnectionError, match='put it at .*checkpoints/x.pth'):
        load_checkpoint_file('http://127.0.0.1:9/x.pth')
    (tmp_path / 'file').touch()  # no folder can be made below it
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'file'))
    with pytest.raises(ConnectionError, match='put it at'):
        load_checkpoint_file('http://127.0.0.1:9/x.pth')


def test_weights_are_there_or_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    monkeypatch.delenv('MMWSSS_WEIGHTS', raising=False)
    told = r'below \$MMWSSS_WEIGHTS; .*new_config\.py'
    with pytest.raises(ConnectionError, match=told):
        have_weights('http://127.0.0.1:9/x.pth')
    with pytest.raises(FileNotFoundError, match=r'none\.pth'):
        have_weights(str(tmp_path / 'none.pth'))
    (tmp_path / 'x.pth').touch()
    have_weights(str(tmp_path / 'x.pth'))
    monkeypatch.setenv('MMWSSS_WEIGHTS', str(tmp_path))
    have_weights('http://127.0.0.1:9/x.pth')  # a file of that name comes first


def test_a_url_that_breaks_off_is_resumed(tmp_path, monkeypatch):
    """As the weights that a config names are fetched."""
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.setattr('mmwsss.io.fetch._PAUSE', 0)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    torch.save(dict(weight=torch.arange(999.0)), tmp_path / 'x.pth')
    with file_server() as server:
        server.files['x.pth'] = (tmp_path / 'x.pth').read_bytes()
        server.cuts = [1000]
        found = load_checkpoint_file(f'{server.url}/x.pth')
        assert [wanted for _, wanted in server.asked] == [None, 'bytes=1000-']
        load_checkpoint_file(f'{server.url}/x.pth')  # from the cache
        assert len(server.asked) == 2
    assert torch.equal(found['weight'], torch.arange(999.0))
    kept = {p.name for p in (tmp_path / 'checkpoints').iterdir()}
    assert kept == {'x.pth', 'x.pth.url'}


def test_two_addresses_with_one_file_name(tmp_path, monkeypatch):
    """torch's cache knows the last name alone; each address has its own weights."""
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    with file_server() as server:
        for name, value in (('a/x.pth', 1.0), ('b/x.pth', 2.0)):
            torch.save(dict(weight=torch.tensor(value)), tmp_path / 'x.pth')
            server.files[name] = (tmp_path / 'x.pth').read_bytes()
        for name, value in (('a/x.pth', 1.0), ('b/x.pth', 2.0)) * 2:
            found = load_checkpoint_file(f'{server.url}/{name}')
            assert found['weight'] == value
        assert len(server.asked) == 2


def test_garbage_is_named(tmp_path):
    file = tmp_path / 'cut.pth'
    file.write_bytes(b'not a checkpoint')
    with pytest.raises(UnsafeCheckpointError, match=r'cut\.pth'):
        load_checkpoint_file(str(file))


class Segmenter(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes
        self.cam_head = nn.Conv2d(4, num_classes - 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(4)


def test_fitting_weights_load_with_the_ddp_prefix():
    model, other = Segmenter(3), Segmenter(3)
    load_weights_strict(
        model, {f'module.{k}': v for k, v in other.state_dict().items()}
    )
    assert torch.equal(model.cam_head.weight, other.cam_head.weight)


def test_class_count_is_named():
    with pytest.raises(CheckpointMismatch, match=r'made for 21 classes.*num_classes=7'):
        load_weights_strict(Segmenter(7), Segmenter(21).state_dict(), 'voc.pth')


@pytest.mark.parametrize('classes,told', [(7, True), (9, False), (21, False)])
def test_a_background_channel_is_thought_of(classes, told):
    """Between EPS and a plain classifier of the same data."""
    with pytest.raises(CheckpointMismatch) as error:
        load_weights_strict(Segmenter(6), Segmenter(classes).state_dict())
    assert ('channel for the background' in str(error.value)) is told


def test_wrong_keys_are_listed():
    state = Segmenter(3).state_dict()
    state['stranger'] = state.pop('cam_head.weight')
    with pytest.raises(CheckpointMismatch) as error:
        load_weights_strict(Segmenter(3), state, 'f.pth')
    text = str(error.value)
    assert 'f.pth' in text and 'stranger' in text and 'cam_head.weight' in text
    load_weights_strict(
        Segmenter(3), state, allow_missing=['cam_head'], allow_unexpected=['^stranger']
    )


def test_foreign_checkpoint_is_refused():
    with pytest.raises(CheckpointMismatch, match='Not one key agrees'):
        load_weights_strict(Segmenter(3), dict(a=torch.ones(1)))


@pytest.mark.parametrize(
    ('name', 'content', 'said'),
    [
        ('a.pth', b'', 'is empty, 0 bytes'),
        ('a.pth', b'\n<!DOCTYPE html><html>Sign in', 'is a web page'),
        ('a.pth', b'version https://git-lfs.github.com/spec/v1\n', 'git lfs pull'),
        ('config.py', b'model = dict()\n', 'give the config first'),
    ],
)
def test_what_is_no_checkpoint_has_a_name(tmp_path, name, content, said) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        load_checkpoint_file(str(tmp_path / name))
    assert 'pickle' not in str(caught.value)  # nobody is told to run its code
