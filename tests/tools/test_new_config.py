# Licensed under Apache-2.0.
"""new_config.py writes over no hand's work, and for no data that teach nothing."""

from __future__ import annotations

import pytest
from PIL import Image

from mmwsss.io.data_errors import DataError
from mmwsss.io.errors import UserError
from tests.helpers import ROOT


@pytest.fixture
def data(load_tool, tmp_path):
    for i, name in enumerate(('good/1.png', 'bad/2.png', 'bad/3.png')):
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (40, 30), (i, 0, 0)).save(tmp_path / 'in' / name)
    folder = load_tool(ROOT / 'tools/dataset_converters/folder.py')
    folder.main([str(tmp_path / 'in'), '--out', str(tmp_path / 'mine')])
    return tmp_path / 'mine'


def test_a_config_that_was_edited_is_kept(load_tool, data) -> None:
    tool = load_tool(ROOT / 'tools/misc/new_config.py')
    arguments = ['--data', str(data), '--pretrained', 'none']
    tool.main(arguments)
    config = data / 'toco_deit-t_mine.py'
    first = config.read_text()
    tool.main([*arguments, '--iters', '77'])  # nobody has touched it
    assert config.read_text() != first
    edited = config.read_text().replace('77', '78')
    config.write_text(edited)
    with pytest.raises(UserError, match='is there and was edited'):
        tool.main(arguments)
    assert config.read_text() == edited


def test_good_pictures_alone_teach_no_class(load_tool, data) -> None:
    (data / 'splits/train.txt').write_text('good/1.png\n')
    tool = load_tool(ROOT / 'tools/misc/new_config.py')
    with pytest.raises(DataError, match='no picture that holds an object'):
        tool.main(['--data', str(data)])
