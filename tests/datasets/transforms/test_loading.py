# Licensed under Apache-2.0.
"""Images and masks of every kind are read as RGB and as class ids."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.transforms.load_mask import LoadMask
from mmwsss.io.pictures.reader import read_rgb
from tests.helpers.transforms import picture, same


@pytest.mark.parametrize('mode', ['L', 'P', 'RGBA', 'CMYK', 'RGB'])
def test_every_kind_of_image_becomes_rgb(tmp_path, mode):
    path = tmp_path / ('x.tif' if mode == 'CMYK' else 'x.png')
    Image.fromarray(picture()).convert(mode).save(path)
    img = read_rgb(path)
    assert img.shape == (50, 60, 3)
    assert img.dtype == np.uint8


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'I', 'I;16'])
@pytest.mark.parametrize('label_map', [None, {0: 0, 1: 2, 2: 1}])
def test_masks_of_every_depth_become_uint8(tmp_path, mode, label_map):
    ids = np.array([[0, 1], [1, 0]])
    if mode == '1':
        mask = Image.fromarray(ids.astype(bool))
    else:
        kind = {'I': np.int32, 'I;16': np.uint16}.get(mode, np.uint8)
        mask = Image.fromarray(ids.astype(kind))
    if mode == 'P':
        mask.putpalette([0] * 768)
    assert mask.mode == mode
    # PNG would store 'I' with 16 bits
    mask.save(tmp_path / 'a', format='TIFF')
    results = LoadMask().transform(
        dict(seg_map_path=str(tmp_path / 'a'), num_foreground=2, label_map=label_map)
    )
    found = results['gt_seg_map']
    assert found.dtype == np.uint8
    same(found, ids if label_map is None else 2 * ids)
