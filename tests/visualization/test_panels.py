# Licensed under Apache-2.0.
"""Overlays, panels and masks."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from mmwsss.io.label_png import save_label_png
from mmwsss.io.palette import full_palette, voc_palette
from mmwsss.visualization.overlays import cam_overlay, label_overlay
from mmwsss.visualization.panels import compose_panel, legend_strip, sample_tiles
from mmwsss.visualization.samples import image_labels, sample_outputs, to_picture

CLASSES = ('background', 'cat', 'dog')


@pytest.fixture
def photo():
    return np.random.RandomState(0).randint(0, 256, (30, 40, 3)).astype(np.uint8)


def test_voc_palette():
    assert voc_palette()[[0, 1, 2, 15, 20]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [192, 128, 128],
        [0, 64, 128],
    ]


def test_palette_is_completed():
    table = full_palette([(1, 2, 3)])
    assert table.shape == (256, 3) and table[0].tolist() == [1, 2, 3]
    assert table[1].tolist() == [128, 0, 0] and table[255].tolist() == [224, 224, 192]


def test_overlays(photo):
    score = np.linspace(0, 1, 40)[None].repeat(30, 0)
    heat = cam_overlay(photo, score)
    assert heat.shape == photo.shape and heat.dtype == np.uint8
    assert (heat[:, -1] != heat[:, 0]).any()
    label = np.zeros((30, 40), int)
    label[5:20, 5:20] = 1
    label[22:, 22:] = 255
    drawn = label_overlay(photo, label, full_palette(None))
    assert (drawn[12, 10, 0] > drawn[12, 10, 2]).all()
    assert drawn[4, 10].tolist() == [255] * 3  # the outline
    assert cam_overlay(photo, np.full((30, 40), np.nan)).dtype == np.uint8


@pytest.mark.parametrize(
    'draw',
    [
        lambda p: cam_overlay(p, np.zeros((3, 3))),
        lambda p: label_overlay(p[..., 0], np.zeros((30, 40)), full_palette(None)),
    ],
)
def test_sizes_must_agree(photo, draw):
    with pytest.raises(ValueError, match='do not go together'):
        draw(photo)


def test_small_pictures_are_enlarged(photo):
    tiles = sample_tiles(
        photo,
        dict(
            cam=np.random.rand(8, 9),
            seg=np.eye(7, dtype=int),
            truth=np.full((30, 40), 255),
        ),
        CLASSES,
        present=[1],
    )
    assert [t.title for t in tiles] == ['photo: cat', 'CAM', 'prediction', 'truth']
    assert {t.picture.shape for t in tiles} == {(224, 299, 3)}
    assert tiles[2].labels == {0, 1} and tiles[3].labels == {255} and tiles[1].heat
    big = sample_tiles(np.zeros((1000, 500, 3), np.uint8), {}, CLASSES)
    assert big[0].picture.shape == (448, 224, 3)


def test_panel(photo):
    row = sample_tiles(photo, dict(cam=np.random.rand(30, 40)), CLASSES)
    small = compose_panel([row], CLASSES)
    large = compose_panel([row, row[:1]], CLASSES, heading='iteration 5')
    assert small.dtype == np.uint8 and large.shape[0] > 2 * 224
    assert large.shape[1] == small.shape[1]
    with pytest.raises(ValueError, match='at least one tile'):
        compose_panel([[]], CLASSES)


def test_what_is_empty_says_so(photo):
    zeros = np.zeros((30, 40))
    empty = dict(cam=zeros, uncertainty=zeros, seg=zeros.astype(int))
    titles = {tile.title for tile in sample_tiles(photo, empty, CLASSES)}
    told = {title.partition(': ')[2] for title in titles}
    assert len(titles) == 4 and told == {'', 'nothing found', 'background only'}
    full = dict(cam=zeros + 0.5, seg=np.eye(30, 40).astype(int))
    assert all(': ' not in t.title for t in sample_tiles(photo, full, CLASSES))


def test_legend_wraps():
    one = legend_strip([0, 1], CLASSES, None, 600)
    many = legend_strip([*range(30), 255], CLASSES, None, 300, heat=True)
    assert many.shape[1] == 300 and many.shape[0] > 4 * one.shape[0]


def test_png_round_trip(tmp_path):
    label = np.array([[0, 1], [2, 255]])
    save_label_png(label, tmp_path / 'deep' / 'a.png', [(0, 0, 0), (9, 8, 7)])
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / 'deep' / 'a.png')), label
    )
    with pytest.raises(ValueError, match='ids 0..255'):
        save_label_png(np.array([[300]]), tmp_path / 'b.png')
    with pytest.raises(ValueError, match='shape'):
        save_label_png(np.zeros((1, 2, 2), int), tmp_path / 'b.png')


def test_mmseg_reads_our_masks(tmp_path):
    from mmseg.datasets.transforms import LoadAnnotations

    label = np.array([[0, 1, 2], [2, 255, 0]])
    save_label_png(label, tmp_path / 'a.png')
    results = LoadAnnotations()(
        dict(
            seg_map_path=str(tmp_path / 'a.png'),
            seg_fields=[],
            label_map=None,
            reduce_zero_label=False,
        )
    )
    np.testing.assert_array_equal(results['gt_seg_map'], label)


def test_from_samples():
    sample = SegDataSample(metainfo=dict(gt_labels=(1,)))
    sample.pred_cam = PixelData(score=torch.rand(1, 4, 5), label=torch.ones(1, 4, 5))
    sample.gt_sem_seg = PixelData(data=torch.ones(1, 4, 5).long())
    assert set(sample_outputs(sample)) == {'cam', 'truth'}
    assert set(sample_outputs(sample, truth=False)) == {'cam'}
    assert image_labels(sample) == [2]
    other = SegDataSample()
    assert image_labels(other) == []
    other.gt_score = torch.tensor([1.0, 0.0, 1.0])
    assert image_labels(other) == [1, 3]
    assert to_picture(torch.full((3, 4, 5), 300.0)).max() == 255
