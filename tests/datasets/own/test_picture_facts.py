# Licensed under Apache-2.0.
"""How pictures of an unknown kind are to be read."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.own.picture_facts import find_rule, robust_range
from mmwsss.io.data_errors import PictureError


@pytest.mark.parametrize(
    'values,expected',
    [
        ((0, 100, 1100, 65535), (0, 2100)),
        ((0, 5, 90, 120), (0, 120)),
        ((7, 7, 7, 7), (7.0, 8.0)),
        ((0.0, 0.01, 0.5, 0.9), (0.0, 0.9)),
    ],
)
def test_robust_range(values, expected) -> None:
    assert robust_range(*values) == expected


def test_ordinary_pictures_need_none(tmp_path) -> None:
    Image.new('RGB', (8, 8)).save(tmp_path / 'a.png')
    Image.new('L', (8, 8)).save(tmp_path / 'b.png')
    assert find_rule([str(tmp_path / 'a.png'), str(tmp_path / 'b.png')]) == {}


def test_sixteen_bits(tmp_path) -> None:
    values = np.linspace(100, 4000, 64).reshape(8, 8).astype(np.uint16)
    path = str(tmp_path / 'a.png')
    Image.fromarray(values).save(path)
    assert find_rule([path]) == dict(value_range=(100, 4000))
    given = dict(percentiles=(2, 98))
    assert find_rule([path], given) == given
    Image.new('RGB', (8, 8)).save(tmp_path / 'b.png')
    with pytest.raises(PictureError, match='1 of 8 bits in 3 bands'):
        find_rule([path, str(tmp_path / 'b.png')])


def test_several_bands(tmp_path) -> None:
    tifffile = pytest.importorskip('tifffile')
    path = str(tmp_path / 'a.tif')
    values = np.stack([np.full((8, 8), 50 * i, np.uint8) for i in range(5)], 2)
    tifffile.imwrite(path, values, photometric='minisblack', planarconfig='contig')
    assert find_rule([path]) == dict(bands=(0, 1, 2, 3, 4))
    tifffile.imwrite(
        path, values.astype(np.uint16) * 10, photometric='minisblack',
        planarconfig='contig',
    )  # fmt: skip
    found = find_rule([path])
    assert found['bands'] == (0, 1, 2, 3, 4)
    assert (
        found['value_range'][2] == (1000.0, 1001.0) and len(found['value_range']) == 5
    )
