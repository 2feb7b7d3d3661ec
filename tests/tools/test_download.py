# Licensed under Apache-2.0.
"""Fetching a model of the zoo, from a clone and from a package's ``.mim``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mmengine.config import Config

from mmwsss.io.errors import UserError
from mmwsss.pipeline.inference import init_model
from tests.helpers import ROOT

NAME = 'toco_vit-t_shapes'


@pytest.fixture
def mim(tmp_path: Path, load_tool):
    """The tool in a folder as ``.mim`` of a wheel."""
    for name in ('configs', 'tools', 'zoo'):
        shutil.copytree(ROOT / name, tmp_path / '.mim' / name)
    return load_tool(tmp_path / '.mim/tools/download.py')


def test_config_and_weights_run_from_there(mim, tmp_path: Path, monkeypatch) -> None:
    dest = tmp_path / 'new/folder'
    mim.main([NAME, '--dest', str(dest)])
    config, weights = dest / f'{NAME}.py', next(dest.glob('*.pth'))
    assert sorted(dest.iterdir()) == sorted([config, weights])
    (source,) = (ROOT / 'zoo').glob(f'{NAME}-*.pth')
    assert weights.name == source.name and weights.read_bytes() == source.read_bytes()
    assert '_base_' not in config.read_text()
    want = Config.fromfile(ROOT / f'configs/toco/{NAME}.py')
    assert Config.fromfile(config).to_dict() == want.to_dict()
    monkeypatch.chdir(tmp_path)
    model = init_model(config, str(weights))
    assert len(model.dataset_meta['classes']) == model.num_classes
    mim.main([NAME, '--dest', str(dest)])  # once more, over itself


def test_damaged_weights_are_refused_before_anything_is_written(mim, tmp_path) -> None:
    (path,) = (tmp_path / '.mim/zoo').glob(f'{NAME}-*.pth')
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf'{path.name} has the sha256 .* damaged'):
        mim.main([NAME, '--dest', str(tmp_path / 'dest')])
    assert not (tmp_path / 'dest').exists()


def test_names(mim, tmp_path, capsys) -> None:
    dest = ['--dest', str(tmp_path / 'dest')]
    with pytest.raises(UserError, match=f'toco is no model; these have: .*{NAME}'):
        mim.main(['toco', *dest])
    with pytest.raises(UserError, match=f'toco_vit-b_voc has no weights; .*{NAME}'):
        mim.main(['toco_vit-b_voc', *dest])
    assert not (tmp_path / 'dest').exists()
    mim.main(['--list'])
    assert NAME in capsys.readouterr().out
    with pytest.raises(SystemExit):
        mim.main([])
