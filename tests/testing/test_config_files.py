# Licensed under Apache-2.0.
"""Configs are found from any folder, those of another package before ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from mmwsss.testing import find_config, load_config, source_folder
from mmwsss.testing.config_files import config_name

OURS = 'configs/cam/cam_vit-t_shapes.py'


def test_the_working_directory_comes_first(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(OURS) == source_folder() / OURS
    own = tmp_path / OURS
    own.parent.mkdir(parents=True)
    own.write_text('model = dict(type="X")\n')
    assert find_config(OURS) == own
    with pytest.raises(FileNotFoundError, match='config none.py is neither'):
        find_config('none.py')


@pytest.mark.parametrize('kind', [dict, Config])
def test_a_whole_config_is_copied(kind: type) -> None:
    given = kind(dict(model=dict(type='mmwsss.MyMethod')))
    load_config(given).model.type = 'Other'
    assert given['model']['type'] == 'mmwsss.MyMethod'
    assert config_name(given) == 'mymethod'
    assert config_name(Path(OURS)) == 'cam_vit-t_shapes'
