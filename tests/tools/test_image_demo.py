# Licensed under Apache-2.0.
"""Which photos the demo takes, and in which order it wants its files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.errors import UserError
from mmwsss.visualization.overlays import resize_picture
from tests.helpers import ROOT


@pytest.fixture
def demo(load_tool):
    return load_tool(ROOT / 'demo/image_demo.py')


def test_photos_of_a_folder(demo, tmp_path, capsys) -> None:
    for name in ('a.jpg', 'b.PNG', 'below/c.jpg', '__MACOSX/d.jpg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new('RGB', (8, 6)).save(tmp_path / name)
    (tmp_path / '._a.jpg').write_bytes(b'\0\5\x16\7')
    assert [p.name for p in demo.photos_in(tmp_path)] == ['a.jpg', 'b.PNG']
    said = capsys.readouterr()
    assert "['below']" in said.out + said.err
    with pytest.raises(FileNotFoundError, match=r"it holds the folders \['in'\]"):
        (tmp_path / 'above/in').mkdir(parents=True)
        demo.photos_in(tmp_path / 'above')


def test_config_and_checkpoint_in_the_wrong_order(demo, tmp_path) -> None:
    Image.new('RGB', (8, 6)).save(tmp_path / 'a.jpg')
    (tmp_path / 'iter_1.pth').write_bytes(b'PK')
    arguments = [tmp_path / 'a.jpg', tmp_path / 'iter_1.pth', 'config.py']
    with pytest.raises(UserError, match='iter_1.pth is no config by its suffix'):
        demo.main([*map(str, arguments), '--out-dir', str(tmp_path / 'out')])


@pytest.mark.parametrize('size', [(0, 300), (4, 0)])
def test_a_line_of_pixels_stays_one_on_panels(size) -> None:
    line = np.zeros((1, 5000, 3), np.uint8)
    assert resize_picture(line, size).shape == (max(1, size[0]), max(1, size[1]), 3)
