# Licensed under Apache-2.0.
"""The weights of the zoo are there, are and score what the metafiles say."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope

from mmwsss.cli.arguments import METRICS
from mmwsss.io.checkpoint import load_checkpoint_file
from mmwsss.io.metafiles import models, published, published_weights
from mmwsss.io.published import dropped_parts
from mmwsss.pipeline.inference import dataset_meta, init_model
from mmwsss.pipeline.publish import check_same_settings, config_as_written
from tests.helpers import ROOT
from tests.helpers.training import free_port
from tests.test_packaging import build_wheel, pip, project, python  # noqa: F401

ZOO = published(ROOT)
ANIMALS = os.environ.get('MMWSSS_VOC_ANIMALS')
MIM = 'onedl-mim==0.5.1'


def test_every_file_is_an_entrys() -> None:
    named = sorted(ROOT / entry['Weights'] for entry in ZOO.values())
    assert named == sorted((ROOT / 'zoo').glob('*.pth')) and named


@pytest.mark.parametrize('name', ZOO)
def test_file(name: str) -> None:
    """Hash, size, contents; it fits its config, and its classes are the data set's."""
    entry = ZOO[name]
    known, path = entry['Metadata'], ROOT / entry['Weights']
    content = published_weights(ROOT, entry)
    assert path.name == f'{name}-{known["SHA256"][:8]}.pth'
    assert f'{len(content) / 1e6:.1f} MB' == known['Size'] and len(content) < 20e6
    saved = load_checkpoint_file(str(path), 'cpu')
    assert set(saved) == {'meta', 'state_dict'}
    assert torch.float32 not in {v.dtype for k, v in saved['state_dict'].items()
                                 if 'running_' not in k}  # fmt: skip
    assert ', '.join(dropped_parts(saved)) == known['Left Out'].replace('nothing', '')
    assert saved['meta']['training_log'] == known['Training Log']
    assert saved['meta']['iter'] == known['Trained Iterations'] <= known['Iterations']
    config = config_as_written(ROOT / entry['Config'])
    init_default_scope(config.default_scope)
    ran = dict(meta=dict(cfg=saved['meta']['config']))
    check_same_settings(config, ran, path.name)  # else it has to be measured anew
    classes = list(saved['meta']['dataset_meta']['classes'])
    assert classes == known['Classes']
    assert classes == list(dataset_meta(config).get('classes', classes))
    model = init_model(config, str(path))
    assert len(classes) == model.num_classes
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def run(*command: str | Path, cwd: Path, check: bool = True, **env: str) -> str:
    """What a command prints, errors included."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | dict(PYTHONPATH='') | env,
    )
    assert not check or done.returncode == 0, f'{command}\n{done.stdout}'
    assert check or done.returncode, f'{command} should have failed\n{done.stdout}'
    return done.stdout


def scores_as_committed(name: str, folder: Path, options: Sequence[str] = ()) -> None:
    """Download a model, test it in that folder, compare with the metafile."""
    tool = ROOT / 'tools'
    clone = dict(PYTHONPATH=str(ROOT), CUDA_VISIBLE_DEVICES='-1')
    run(
        sys.executable, tool / 'download.py', name, '--dest', 'got', cwd=folder, **clone
    )
    weights = Path('got') / Path(ZOO[name]['Weights']).name
    command = ['got/' + name + '.py', weights, '--work-dir', 'test', *options]
    run(sys.executable, tool / 'test.py', *command, cwd=folder, **clone)
    found = json.loads((folder / 'test' / METRICS).read_text())
    for score, value in ZOO[name]['Results'][0]['Metrics'].items():
        assert found[score] == pytest.approx(value, abs=0.05), score


@pytest.mark.slow
def test_shapes_scores_as_committed(tmp_path: Path) -> None:
    """On the test pictures alone, drawn here."""
    few = ['--train', '1', '--val', '1']
    script = ROOT / 'tools/dataset_converters/shapes.py'
    clone = dict(PYTHONPATH=str(ROOT))
    run(sys.executable, script, '--out', 'data/shapes', *few, cwd=tmp_path, **clone)
    scores_as_committed('toco_vit-t_shapes', tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not ANIMALS, reason='MMWSSS_VOC_ANIMALS names no folder of photos')
@pytest.mark.parametrize('name', [name for name in ZOO if 'animals' in name])
def test_animals_score_as_committed(name: str, tmp_path: Path) -> None:
    scores_as_committed(name, tmp_path)


# ------------------------------------------------------------------------------- mim
@pytest.fixture
def served() -> Iterator[str]:
    """The address under which ``python -m http.server`` serves the zoo."""
    port = free_port()
    command = [sys.executable, '-m', 'http.server', '--bind', '127.0.0.1', str(port)]
    server = subprocess.Popen(
        command,
        cwd=ROOT / 'zoo',
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if not probe.connect_ex(('127.0.0.1', port)):
                    break
            server.poll()
        yield f'http://127.0.0.1:{port}'
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def mim(python: Path) -> Path:  # noqa: F811
    """The command ``mim``, in an environment of its own."""
    command = [str(python), '-m', 'pip', 'install', '-q', MIM]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'{MIM} can not be installed: {done.stderr.strip()[-300:]}')
    return python.parent / 'mim'


def downloads(mim: Path, name: str, dest: Path) -> None:
    """``mim download`` gives the zoo's weights, and a config that takes them."""
    address = 'mmwsss', '--config', name, '--dest', dest
    # a proxy has no business with an address of this machine
    run(mim, 'download', *address, cwd=dest.parent, no_proxy='127.0.0.1')
    weights = dest / Path(ZOO[name]['Weights']).name
    assert weights.read_bytes() == (ROOT / ZOO[name]['Weights']).read_bytes()
    init_model(dest / f'{name}.py', str(weights))


def searched(mim: Path, cwd: Path) -> None:
    """``mim search`` lists every model; the published ones with their address."""
    file = cwd / 'searched.json'
    run(mim, 'search', 'mmwsss', '--json', file, cwd=cwd)
    found = json.loads(file.read_text())
    assert set(found['weight']) == set(models(ROOT))
    for name, entry in ZOO.items():
        address = str(found['weight'][name])
        assert address.endswith('/' + Path(entry['Weights']).name)
        assert found['batch_size'][name] == entry['Metadata']['Batch Size']
        assert found['supervision'][name] == entry['Metadata']['Supervision']
    run(mim, 'search', 'mmwsss', '--config', *ZOO, cwd=cwd)


@pytest.mark.slow
def test_mim_downloads_from_a_wheel(
    project, python, mim, served, tmp_path, monkeypatch  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setenv('MMWSSS_ZOO_URL', f'{served}/')
    pip(python, 'install', build_wheel(python, project), cwd=tmp_path)
    searched(mim, tmp_path)
    for name in ZOO:
        downloads(mim, name, tmp_path / name)
    # from the wheel's own zoo, without the server
    code = 'import mmwsss; print(mmwsss.__path__[0])'
    package = Path(run(python, '-c', code, cwd=tmp_path).strip().splitlines()[-1])
    assert package.parent.name == 'site-packages'
    tool = package / '.mim/tools/download.py'
    run(python, tool, name, '--dest', tmp_path / 'copied', cwd=tmp_path)
    assert sorted(p.name for p in (tmp_path / 'copied').iterdir()) == sorted(
        p.name for p in (tmp_path / name).iterdir()
    )


@pytest.mark.slow
def test_mim_downloads_from_an_editable_clone(
    project, python, mim, served, tmp_path, monkeypatch  # noqa: F811
) -> None:  # fmt: skip
    """And without an address it follows none."""
    pip(python, 'install', '-e', '.', cwd=project)
    name, *_ = ZOO
    address = 'mmwsss', '--config', name, '--dest', tmp_path / 'nothing'
    said = run(mim, 'download', *address, cwd=tmp_path, check=False)
    assert "KeyError: 'weight'" in said
    monkeypatch.setenv('MMWSSS_ZOO_URL', served)
    pip(python, 'install', '-e', '.', cwd=project)
    searched(mim, tmp_path)
    for name in ZOO:
        downloads(mim, name, tmp_path / f'got_{name}')
    index = (project / '.mim/model-index.yml').read_text()
    assert set(re.findall(r'- (\S+)/', index)) == {'metafiles'}


@pytest.mark.slow
def test_an_address_that_mim_cannot_fetch(project, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setenv('MMWSSS_ZOO_URL', 'file:///zoo')
    said = run(sys.executable, 'setup.py', 'bdist_wheel', cwd=project, check=False,
               MMWSSS_WITH_OPS='0')  # fmt: skip
    assert "MMWSSS_ZOO_URL='file:///zoo': mim fetches http:// and https:// only" in said
