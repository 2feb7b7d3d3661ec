# Licensed under Apache-2.0.
"""Files of segments as segment models write them, read as one map a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from mmwsss.datasets.coco_masks import run_lengths
from mmwsss.datasets.side_inputs.declaration import read_declarations
from mmwsss.datasets.side_inputs.segments_kind import SegmentsKind
from mmwsss.io.data_errors import SideInputError

SIZE = (6, 8)


def boxes() -> np.ndarray:
    """Three masks (3, H, W) that overlap: the left half, a part of it, the top row."""
    masks = np.zeros((3, *SIZE), bool)
    masks[0, :, :4] = masks[1, 2:4, 1:3] = masks[2, :1] = True
    return masks


def sam_entry(mask: np.ndarray, score: float) -> dict[str, Any]:
    """As SAM's automatic mask generator gives it with ``output_mode='coco_rle'``."""
    runs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return dict(
        segmentation=dict(size=[*runs['size']], counts=runs['counts'].decode()),
        area=int(mask.sum()),
        bbox=[0, 0, 1, 1],
        predicted_iou=score,
        point_coords=[[1.0, 1.0]],
        stability_score=0.9,
        crop_box=[0, 0, 8, 6],
    )


def write(path: Path, form: str, masks: np.ndarray, scores=(0.9, 0.8, 0.95)) -> str:
    entries = [sam_entry(*pair) for pair in zip(masks, scores)]
    if form == 'npz':
        path = path.with_suffix('.npz')
        np.savez(path, segments=masks, scores=np.asarray(scores))
        return str(path)
    if form == 'lists':  # uncompressed runs
        for entry, mask in zip(entries, masks):
            flat = np.concatenate([[False], mask.T.ravel()])
            ends = np.flatnonzero(np.diff(flat)) + 1
            runs = np.diff([0, *(ends - 1), mask.size]).tolist()
            entry['segmentation']['counts'] = runs
    content = dict(image=dict(), annotations=entries) if form == 'coco' else entries
    path = path.with_suffix('.json')
    path.write_text(json.dumps(content))
    return str(path)


@pytest.fixture
def picture(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / 'one.png'
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(path)
    return dict(img_id='one', img_path=str(path), gt_labels=(0,), ori_shape=SIZE)


def load(path: str, picture: dict, **settings: Any) -> np.ndarray:
    kind = SegmentsKind(**settings)
    kind.check(path, picture)
    kind.check_all([path])
    return kind.load(path, picture)


@pytest.mark.parametrize('form', ['sam', 'coco', 'lists', 'npz'])
@pytest.mark.parametrize(
    'overlap,top_left,part',
    [
        ('smallest', 3, 2),
        ('largest', 1, 1),
        ('score', 3, 1),
        ('first', 1, 1),
        ('last', 3, 2),
    ],
)
def test_forms_and_overlaps(
    tmp_path: Path, picture: dict, form: str, overlap: str, top_left: int, part: int
) -> None:
    path = write(tmp_path / 'segments', form, boxes())
    flat = load(path, picture, overlap=overlap)
    assert flat.shape == SIZE and flat.dtype == np.int32
    assert (flat[0, 0], flat[3, 1], flat[0, 7], flat[5, 7]) == (top_left, part, 3, 0)


def test_left_out_by_area_and_score(tmp_path: Path, picture: dict) -> None:
    path = write(tmp_path / 'segments', 'sam', boxes())
    assert set(np.unique(load(path, picture, min_area=5))) == {0, 1, 3}
    assert set(np.unique(load(path, picture, min_score=0.85))) == {0, 1, 3}
    with pytest.raises(SideInputError, match=r'keeps no segment of min_area=99'):
        load(path, picture, min_area=99)


@pytest.mark.parametrize('suffix', ['png', 'npz'])
def test_maps_of_numbers_stay(tmp_path: Path, picture: dict, suffix: str) -> None:
    ids = np.arange(48).reshape(SIZE).astype(np.uint16) // 4 * 300
    path = tmp_path / f'segments.{suffix}'
    if suffix == 'png':
        Image.fromarray(ids).save(path)
    else:
        np.savez(path, segments=ids)
    flat = load(str(path), picture)
    assert np.array_equal(flat, ids)
    packed = SegmentsKind().pack(flat).data
    assert packed.shape == (1, *SIZE) and packed.max() == 3300


def test_runs_against_pycocotools() -> None:
    generator = np.random.default_rng(0)
    for density in (0.0, 0.02, 0.5, 1.0):
        mask = (generator.random((61, 83)) < density).astype(np.uint8)
        text = coco.encode(np.asfortranarray(mask))['counts'].decode()
        values = np.arange(len(run_lengths(text))) % 2
        flat = np.repeat(values, run_lengths(text))
        assert np.array_equal(flat.reshape(83, 61).T, mask)
    with pytest.raises(ValueError, match='ends within a number'):
        run_lengths('1o')
    with pytest.raises(ValueError, match='no characters of runs'):
        run_lengths('1}')
    assert run_lengths('') == []


# ------------------------------------------------------------------------- bad input
def of_json(content: Any) -> bytes:
    return json.dumps(content).encode()


def changed(**segmentation: Any) -> bytes:
    entry = sam_entry(boxes()[0], 0.9)
    entry['segmentation'] = entry['segmentation'] | segmentation
    return of_json([entry])


BAD = {
    'no json': ('.json', b'{', 'is no JSON'),
    'no list': ('.json', of_json(dict(masks=[])), 'holds no list of segments'),
    'none': ('.json', b'[]', 'holds no segment'),
    'polygons': ('.json', of_json([dict(segmentation=[[0, 0, 1, 1]])]), 'not of runs'),
    'no segmentation': ('.json', of_json([dict(area=3)]), 'not of runs'),
    'another size': ('.json', changed(size=[8, 6]), 'is 8x6 but its image .* is 6x8'),
    'cut runs': ('.json', changed(counts='1o'), 'ends within a number'),
    'short runs': ('.json', changed(counts=[0, 5]), 'number 0, that is none .*add up'),
    'many pictures': (
        '.json',
        of_json([sam_entry(boxes()[0], 1.0) | dict(image_id=i) for i in (1, 2)]),
        'segments of 2 pictures.*one file a picture',
    ),
    'scores': (
        '.json',
        of_json([sam_entry(boxes()[0], 1.0), sam_entry(boxes()[1], float('nan'))]),
        'scores that are not a number for each of 2',
    ),
    'no zip': ('.npz', b'PK', 'cannot be read'),
    'no png': ('.png', b'PNG', 'cannot be read'),
}


@pytest.mark.parametrize('case', BAD)
def test_files_that_do_not_fit(tmp_path: Path, picture: dict, case: str) -> None:
    suffix, content, message = BAD[case]
    path = tmp_path / f'segments{suffix}'
    path.write_bytes(content)
    with pytest.raises(SideInputError, match=message) as err:
        load(str(path), picture)
    assert str(path) in str(err.value) and '\n' not in str(err.value)


def test_arrays_and_pictures_that_do_not_fit(tmp_path: Path, picture: dict) -> None:
    path = tmp_path / 'segments.npz'
    for array, message in (
        (np.zeros(SIZE, int), 'holds no segment'),
        (np.zeros((0, *SIZE), bool), 'holds no segment'),
        (np.zeros(SIZE), 'float64'),
        (np.full((2, *SIZE), 2), r'masks \(N, H, W\) of 0 and 1'),
    ):
        np.savez(path, segments=array)
        with pytest.raises(SideInputError, match=message):
            load(str(path), picture)
    np.savez(path, masks=boxes())
    with pytest.raises(SideInputError, match="name its array 'segments'"):
        load(str(path), picture)
    np.savez(path, segments=boxes())
    for settings in (dict(overlap='score'), dict(min_score=0.5)):
        with pytest.raises(SideInputError, match='segments without scores'):
            load(str(path), picture, **settings)
    with pytest.raises(ValueError, match="overlap must be one of .* got 'top'"):
        SegmentsKind(overlap='top')


def test_empty_pngs_and_pictures_without_a_file(tmp_path: Path, picture: dict) -> None:
    folder = tmp_path / 'Segments'
    folder.mkdir()
    declared = dict(segments=dict(dir=str(folder), kind='segments'))
    with pytest.raises(SideInputError, match='1 of 1 segments files is missing'):
        read_declarations(declared, None)[0].find([dict(picture)])
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(folder / 'one.png')
    with pytest.raises(SideInputError, match='holds no segment.*optional=True'):
        read_declarations(declared, None)[0].find([dict(picture)])
    declared['segments']['optional'] = True
    infos = [dict(picture), dict(picture, img_id='two')]
    read_declarations(declared, None)[0].find(infos)
    for info in infos:
        file = info['side_inputs']['segments']
        assert not file.kind.load(file.path, info).any()
