# Licensed under Apache-2.0.
"""Colours of classes."""

from __future__ import annotations

import numpy as np
import pytest

from mmwsss.datasets.folder import FolderWeakDataset
from mmwsss.io.palette import IGNORE_COLOUR, class_palette, voc_palette


@pytest.mark.parametrize(('count', 'apart'), [(2, 150), (7, 80), (21, 40), (81, 17)])
def test_black_and_well_apart(count, apart):
    colours = np.array(class_palette(count))
    assert colours.shape == (count, 3) and colours[0].tolist() == [0, 0, 0]
    others = np.concatenate([colours, [IGNORE_COLOUR]]).astype(float)
    distance = np.linalg.norm(others[:, None] - others, axis=-1)
    assert distance[~np.eye(len(others), dtype=bool)].min() >= apart


def test_it_is_better_than_vocs_and_does_not_change():
    def least(colours):
        distance = np.linalg.norm(colours[:, None] - colours, axis=-1)
        return (distance + 1e3 * np.eye(len(colours))).min()

    assert least(np.array(class_palette(81), float)) > least(
        voc_palette(81).astype(float)
    )
    assert class_palette(81)[:5] == class_palette(5)


def test_folders_without_a_palette_get_it(tmp_path):
    (tmp_path / 'train' / 'ant').mkdir(parents=True)
    settings = dict(check_files=False, lazy_init=True, data_root=str(tmp_path))
    classes = ('background', 'ant')
    data = FolderWeakDataset(metainfo=dict(classes=classes), **settings)
    assert data.metainfo['palette'] == class_palette(2)
    own = dict(classes=classes, palette=[[1, 2, 3], [4, 5, 6]])
    assert (
        FolderWeakDataset(metainfo=own, **settings).metainfo['palette']
        == (own['palette'])
    )
