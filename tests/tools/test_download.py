# Licensed under Apache-2.0.
"""What the model zoo gives by name, from a clone and from a package's ``.mim``."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config

from mmwsss.io import fetch as fetch_module
from mmwsss.io.errors import UserError
from mmwsss.io.fetch import FetchError
from mmwsss.io.metafiles import models, replace_entry
from mmwsss.io.weight_files import WEIGHTS_ENV
from mmwsss.pipeline.inference import init_model
from tests.goldens.conftest import load_golden
from tests.helpers import ROOT
from tests.helpers.file_server import FileServer, file_server
from tests.helpers.training import free_port

NAME = 'toco_vit-t_shapes'
CONTENT = b'weights' * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def mim(tmp_path: Path, load_tool):
    """The tool in a folder as ``.mim`` of a wheel."""
    for name in ('configs', 'tools', 'zoo'):
        shutil.copytree(ROOT / name, tmp_path / '.mim' / name)
    return load_tool(tmp_path / '.mim/tools/download.py')


@pytest.fixture
def server(monkeypatch) -> Iterator[FileServer]:
    monkeypatch.setattr(fetch_module, '_PAUSE', 0)
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with file_server() as served:
        yield served


def weights_of(mim) -> Path:
    (path,) = (mim.ROOT / 'zoo').glob(f'{NAME}-*.pth')
    return path


def test_config_and_weights_run_from_there(
    mim, tmp_path: Path, monkeypatch, capsys
) -> None:
    dest = tmp_path / 'new/folder'
    mim.main([NAME, '--dest', str(dest)])
    assert 'Photos: python demo/image_demo.py PHOTOS ' in capsys.readouterr().out
    config, weights = dest / f'{NAME}.py', next(dest.glob('*.pth'))
    assert sorted(dest.iterdir()) == sorted([config, weights])
    source = weights_of(mim)
    assert weights.name == source.name and weights.read_bytes() == source.read_bytes()
    assert '_base_' not in config.read_text()
    want = Config.fromfile(ROOT / f'configs/toco/{NAME}.py')
    assert Config.fromfile(config).to_dict() == want.to_dict()
    monkeypatch.chdir(tmp_path)
    model = init_model(config, str(weights))
    assert len(model.dataset_meta['classes']) == model.num_classes
    mim.main([NAME, '--dest', str(dest)])  # once more, over itself


def test_damaged_weights_are_refused_before_anything_is_written(mim, tmp_path) -> None:
    path = weights_of(mim)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf'{path.name} has the sha256 .* damaged'):
        mim.main([NAME, '--dest', str(tmp_path / 'dest')])
    assert not (tmp_path / 'dest').exists()


def test_another_config_in_its_place_stays(mim, tmp_path: Path) -> None:
    config = tmp_path / f'dest/{NAME}.py'
    config.parent.mkdir()
    config.write_text('mine = True')
    with pytest.raises(UserError, match=rf'{NAME}.py is there and has other settings'):
        mim.main([NAME, '--dest', str(config.parent)])
    assert [p.name for p in config.parent.iterdir()] == [config.name]


@pytest.mark.parametrize('kind', ['address', 'folder', 'file://'])
def test_a_mirror_stands_in_for_the_zoo(mim, server, tmp_path: Path, kind: str) -> None:
    moved = shutil.move(weights_of(mim), tmp_path)
    content, name = Path(moved).read_bytes(), Path(moved).name
    with pytest.raises(FileNotFoundError, match='folder zoo/ included, or name a --m'):
        mim.main([NAME, '--dest', str(tmp_path / 'dest')])
    assert not (tmp_path / 'dest').exists()
    server.files[f'some/{name}'] = content
    places = {
        'address': f'{server.url}/some/',
        'folder': str(tmp_path),
        'file://': tmp_path.as_uri(),
    }
    mim.main([NAME, '--dest', str(tmp_path / 'dest'), '--mirror', places[kind]])
    assert (tmp_path / 'dest' / name).read_bytes() == content
    with pytest.raises(UserError, match='give http://, https://, file:///PATH'):
        mim.main([NAME, '--dest', str(tmp_path / 'other'), '--mirror', 'ftp://x.org'])


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('tocco_vit-b_voc', r'is no model .*like it are toco_vit-b_voc, .* --list'),
        ('irn_r50_voc', r'no weights, .*train it: python tools/train.py configs/irn'),
        ('toco_shapes_pipeline', r'train it: python tools/run_pipeline.py configs/'),
        ('afa_mit-b1_voc', r'github.com/rulixiang/afa, links none.* --from FILE'),
        ('eps_wr38_voc', r'Google Drive file .*gdown 1BmJBt66_9WU24sTGlK_jN.*--from'),
        ('toco_vit-b_voc', r'gdown --folder https://drive.google.com/.*--from FILE'),
    ],
)
def test_what_is_not_there_is_said_in_one_line(mim, tmp_path, name, said) -> None:
    with pytest.raises(UserError, match=said) as caught:
        mim.main([name, '--dest', str(tmp_path / 'dest')])
    assert '\n' not in str(caught.value) and not (tmp_path / 'dest').exists()


def test_every_name_is_listed(mim, capsys) -> None:
    mim.main(['--list'])
    rows = dict(line.split('  ', 1) for line in capsys.readouterr().out.splitlines())
    assert set(models(ROOT)) < set(rows) and 'deit-t_imagenet' in rows
    what = 'weights, 1.8 MB: stripes, dots, check, rings, zigzag, grid'
    assert rows[NAME].strip() == what
    assert 'Google Drive folder' in rows['toco_vit-b_voc']
    with pytest.raises(SystemExit):
        mim.main([])
    with pytest.raises(SystemExit):
        mim.main([NAME, '--from', 'a.pth', '--mirror', 'b'])


# ---------------------------------------------------------------------- initial weights
def other_backbones(mim, **entry: str) -> None:
    """One entry in place of all."""
    entry = dict(Name='one', Architecture='ViT', **{'Trained On': 'pictures'}) | entry
    (mim.ROOT / 'zoo/backbones.yml').write_text(yaml.safe_dump([entry]))


def test_initial_weights_go_where_configs_look(
    mim, server, tmp_path, monkeypatch, capsys
) -> None:
    file = f'net-{DIGEST[:8]}.pth'
    server.files[file] = CONTENT
    other_backbones(mim, URL=f'{server.url}/{file}?x=1', SHA256=DIGEST[:8])
    (tmp_path / 'weights').mkdir()
    monkeypatch.setenv(WEIGHTS_ENV, str(tmp_path / 'weights'))
    mim.main(['one'])
    monkeypatch.delenv(WEIGHTS_ENV)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    mim.main(['one'])
    found = tmp_path / f'weights/{file}', tmp_path / f'torch/hub/checkpoints/{file}'
    assert all(path.read_bytes() == CONTENT for path in found)
    assert all(len(list(path.parent.iterdir())) == 1 for path in found)
    assert str(found[1]) in capsys.readouterr().out


def test_another_file_at_the_address(mim, server, tmp_path: Path) -> None:
    server.files['net-00000000.pth'] = CONTENT
    other_backbones(mim, URL=f'{server.url}/net-00000000.pth')  # its name says it
    with pytest.raises(UserError, match='00000000… is expected'):
        mim.main(['one', '--dest', str(tmp_path / 'dest')])
    assert not list((tmp_path / 'dest').iterdir())


def test_an_unknown_sha256_is_noted_and_compared(
    mim, server, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server.files['net.params'] = CONTENT
    other_backbones(mim, URL=f'{server.url}/net.params', Place='data/pretrained')
    mim.main(['one'])
    said = capsys.readouterr().out
    assert f'no sha256 of it is public. This one has {DIGEST}' in said
    path = tmp_path / 'data/pretrained/net.params'
    note = path.with_name('net.params.sha256')
    assert note.read_text() == f'{DIGEST}  net.params\n'  # as sha256sum -c reads it
    mim.main(['one'])
    assert 'public' not in capsys.readouterr().out
    path.unlink()
    server.files['net.params'] = CONTENT + b'changed'
    with pytest.raises(UserError, match=f'{DIGEST}… is expected'):
        mim.main(['one'])
    assert not path.exists()


def test_without_a_network_the_way_is_told(mim, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    url = f'http://127.0.0.1:{free_port()}/net.pth'
    other_backbones(mim, URL=url, Page='https://x.org/net')
    with pytest.raises(
        FetchError, match=r'reached .*x\.org/net.* give its folder with --mirror, or'
    ) as caught:
        mim.main(['one', '--dest', str(tmp_path / 'dest')])
    assert '\n' not in str(caught.value)
    (tmp_path / 'net.pth').write_bytes(CONTENT)
    mim.main(['one', '--dest', str(tmp_path / 'dest'), '--mirror', str(tmp_path)])
    assert (tmp_path / 'dest/net.pth').read_bytes() == CONTENT


def test_an_entry_with_a_key_that_is_none(mim) -> None:
    other_backbones(mim, URL='http://x.org/a.pth', Sha='1')
    with pytest.raises(UserError, match=r"backbones.yml, one: 'Sha'; an entry has"):
        mim.main(['one'])


# --------------------------------------------------------------- the authors' weights
def released(path: Path, **more: torch.Tensor) -> Path:
    """A file of the layout that ToCo's authors released, full size, all zeros."""
    data = load_golden('toco_checkpoint_layout')
    state = {
        str(key): torch.zeros(()).expand([int(n) for n in shape if n >= 0])
        for key, shape in zip(data['voc_keys'], data['voc_shapes'])
    }
    torch.save(state | more, path)
    return path


def test_a_release_is_converted_and_compared(mim, tmp_path: Path, capsys) -> None:
    source, dest = released(tmp_path / 'toco_voc.pth'), tmp_path / 'dest'
    mim.main(['toco_vit-b_voc', '--from', str(source), '--dest', str(dest)])
    said = capsys.readouterr().out
    assert 'all 171 tensors of the network are there' in said
    assert '72.3 / 68.4 / 69.2 (val)' in said and '--tta, CRF' in said
    assert 'val, 448 x 448' in said
    names = ['toco_vit-b_voc.pth', 'toco_vit-b_voc.py']
    assert sorted(path.name for path in dest.iterdir()) == names
    init_model(dest / names[1], str(dest / names[0]))
    mim.main(['toco_vit-b_voc', '--from', str(source), '--dest', str(dest)])


def test_a_file_that_does_not_fit_leaves_nothing(mim, tmp_path: Path) -> None:
    dest = tmp_path / 'dest'
    strange = released(tmp_path / 'a.pth', stranger=torch.zeros(1))
    with pytest.raises(ValueError, match='1 keys are not of this layout'):
        mim.main(['toco_vit-b_voc', '--from', str(strange), '--dest', str(dest)])
    other = released(tmp_path / 'b.pth')
    with pytest.raises(UserError, match=r'made for 21 classes.*num_classes=81'):
        mim.main(['toco_vit-b_coco', '--from', str(other), '--dest', str(dest)])
    assert not dest.exists() or not list(dest.iterdir())


def test_from_is_for_releases(mim, tmp_path: Path) -> None:
    file = released(tmp_path / 'a.pth')
    with pytest.raises(UserError, match=rf'--from is for afa_.*; got {NAME}'):
        mim.main([NAME, '--from', str(file)])
    with pytest.raises(UserError, match=r'toco.py takes 1 file\(s\) at most, got 2'):
        mim.main(['toco_vit-b_voc', '--from', str(file), str(file)])


def test_options_of_a_release_stand_in_its_config(mim, tmp_path, capsys) -> None:
    """With a small network in place of the published one."""
    path = mim.ROOT / 'configs/toco/metafile.yml'
    entry = models(mim.ROOT)[NAME]
    entry['Release'] = {
        'Page': 'https://x.org',
        'Converter': 'copy.py',
        'Arguments': ['--plain'],
        'Second File': '--more',
        'Config Options': ['model.test_cfg.cam_filter=pred'],
    }
    replace_entry(path, entry)
    (mim.ROOT / 'tools/model_converters/copy.py').write_text(
        'import shutil\n\n\ndef main(argv):\n'
        "    assert argv[2:] == ['--plain', '--more', 'second.pth'], argv\n"
        '    shutil.copy(*argv[:2])\n'
    )
    source = tmp_path / 'theirs.pth'
    shutil.copy(weights_of(mim), source)
    dest = tmp_path / 'dest'
    dest.mkdir()
    more = [str(source), 'second.pth']
    mim.main([NAME, '--from', *more, '--dest', str(dest)])
    cfg = Config.fromfile(dest / f'{NAME}.py')
    assert cfg.model.test_cfg.cam_filter == 'pred'
    assert 'the authors published no score of it' in capsys.readouterr().out
