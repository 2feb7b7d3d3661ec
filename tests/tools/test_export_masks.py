# Licensed under Apache-2.0.
"""Masks for labelling tools, read back by the data readers."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from mmwsss.datasets.own.drawn_masks import draw_masks
from mmwsss.datasets.own.found_parts import Part
from mmwsss.datasets.own.gathered import gather
from mmwsss.datasets.partial.mark_files import read_labelme
from mmwsss.datasets.partial.marks import draw_marks
from mmwsss.io.data_errors import DataError, MaskError
from mmwsss.io.errors import UserError
from mmwsss.io.label_png import save_label_png
from mmwsss.io.output_folder import OutputError
from tests.helpers import ROOT

CLASSES = ('cat', 'dog', 'cow')
SIZE = (60, 80)


@pytest.fixture
def tool(load_tool):
    return load_tool(ROOT / 'tools/dataset_converters/export_masks.py')


def blobs(seed: int) -> np.ndarray:
    """Regions with holes, other classes in them, single pixels, touching corners."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (10, 14)).astype(np.uint8))
    smooth = np.asarray(coarse.resize(SIZE[::-1], Image.Resampling.BICUBIC))
    ids = np.digitize(smooth, (110, 150, 200)).astype(np.uint8)
    ids[5:20, 5:20], ids[9:14, 9:14], ids[11, 11] = 1, 0, 2
    ids[40, 40], ids[41, 41], ids[50:58, 60:78] = 3, 3, 255
    return ids


@pytest.fixture
def folder(tmp_path) -> Path:
    """``masks/`` with two masks, one in a folder below, and their ``photos/``."""
    for seed, name in enumerate(('a', 'sub/b')):
        save_label_png(blobs(seed), tmp_path / 'masks' / f'{name}.png')
        photo = tmp_path / 'photos' / f'{name}.jpg'
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', SIZE[::-1]).save(photo)
    return tmp_path


def export(tool, folder: Path, kind: str, *options: object) -> Path:
    out = folder / ('out.json' if kind == 'coco' else 'out')
    paths = (folder / 'masks', '--img-dir', folder / 'photos', '--out', out)
    names = ('--classes', *CLASSES)
    tool.main([str(o) for o in (*paths, '--format', kind, *names, *options)])
    return out


def drawn_back(folder: Path, out: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """(mask, what the reader of COCO files draws) of each picture; 255 is gone."""
    part = Part(str(out), str(folder / 'photos'))
    drawn = draw_masks([part], gather([part], CLASSES), folder / 'drawn')
    assert sorted(drawn) == ['a.jpg', 'sub/b.jpg']
    pairs = []
    for name, path in drawn.items():
        mask = np.asarray(Image.open(folder / 'masks' / f'{name[:-4]}.png'))
        pairs.append((mask * (mask != 255), np.asarray(Image.open(path))))
    return pairs


@pytest.mark.parametrize(
    'options', [('--shape', 'rle'), ('--shape', 'rle', '--joined'), ('--tolerance', 0)]
)
def test_coco_gives_the_same_masks_back(tool, folder, options) -> None:
    for mask, drawn in drawn_back(folder, export(tool, folder, 'coco', *options)):
        assert (drawn == mask).all()


def test_polygons_with_fewer_corners_change_edges_alone(tool, folder) -> None:
    many = export(tool, folder, 'coco', '--tolerance', 0).stat().st_size
    out = export(tool, folder, 'coco')  # half a pixel
    assert out.stat().st_size < 0.7 * many
    for mask, drawn in drawn_back(folder, out):
        kernel = np.ones((3, 3), np.uint8)
        edge = cv2.dilate(mask, kernel) != cv2.erode(mask, kernel)
        assert not (mask != drawn)[~edge].any()
        assert 0 < (mask != drawn).mean() < 0.05  # edges are a third of these masks


def test_one_object_a_region_or_a_class(tool, folder) -> None:
    parts = COCO(export(tool, folder, 'coco', '--shape', 'rle'))
    image = parts.getImgIds()[0]
    mask, cows = blobs(0), parts.getAnnIds(image, 3)
    assert len(cows) == cv2.connectedComponents((mask == 3).view(np.uint8))[0] - 1
    joined = COCO(export(tool, folder, 'coco', '--joined'))
    assert len(joined.getAnnIds(image)) == 3
    (cow,) = joined.loadAnns(joined.getAnnIds(image, 3))
    assert cow['area'] == (mask == 3).sum()
    large = COCO(export(tool, folder, 'coco', '--min-area', 30))
    areas = [one['area'] for one in large.loadAnns(large.getAnnIds(image))]
    assert min(areas) >= 30 and len(areas) < len(parts.getAnnIds(image))


def test_labelme_gives_the_same_objects_back(tool, folder) -> None:
    out = export(tool, folder, 'labelme', '--tolerance', 0)
    content = json.loads((out / 'sub/b.json').read_text())
    assert (out / 'sub' / content['imagePath']).resolve() == folder / 'photos/sub/b.jpg'
    assert '__ignore__' in {shape['label'] for shape in content['shapes']}
    marks = read_labelme(str(out), ('background', *CLASSES))
    for name, seed in (('a', 0), ('sub/b', 1)):
        drawn, mask = draw_marks(SIZE, marks[name]), blobs(seed)
        objects = (mask > 0) & (mask < 255)
        assert (drawn[objects] == mask[objects]).all()
        # a hole is left out, but for the line that leads to it
        assert (drawn[~objects] != 255).mean() < 0.01
    joined = export(tool, folder, 'labelme', '--joined', '--tolerance', 0) / 'a.json'
    shapes = json.loads(joined.read_text())['shapes']
    groups = {(shape['label'], shape['group_id']) for shape in shapes}
    assert len([label for label, group in groups if label in CLASSES]) == 3
    assert gather([Part(str(out), str(folder / 'photos'))], CLASSES).pictures.keys()


def test_what_is_left_out_is_said(tool, folder, capsys) -> None:
    panel = folder / 'masks' / 'a_panel.png'
    Image.new('RGB', (9, 9)).save(panel)
    export(tool, folder, 'coco', '--min-area', 3)
    said = capsys.readouterr().out
    assert f'1 PNGs of colours, no masks, are left out (first: {panel})' in said
    assert f'{2 * 8 * 18} pixels of the id 255 are left out' in said
    assert 'pixels of smaller regions are left out' in said


def test_what_is_refused(tool, folder) -> None:
    with pytest.raises(UserError, match='LabelMe knows polygons alone'):
        export(tool, folder, 'labelme', '--shape', 'rle')
    own = folder / 'out.json'
    own.write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(OutputError, match=r'out\.json is there and was not made by'):
        export(tool, folder, 'coco')
    own.unlink()
    save_label_png(np.full(SIZE, 4), folder / 'masks/a.png')
    with pytest.raises(MaskError, match=r'a\.png holds the ids \[4\], outside 0\.\.3'):
        export(tool, folder, 'coco')
    save_label_png(np.zeros((60, 79), int), folder / 'masks/a.png')
    with pytest.raises(MaskError, match=r'79 x 60 pixels, its picture .*a\.jpg 80 x'):
        export(tool, folder, 'coco')
    (folder / 'photos/a.jpg').unlink()
    with pytest.raises(DataError, match=r'a\.jpg is not there.*correct --img-dir'):
        export(tool, folder, 'coco')
    assert not own.exists()
