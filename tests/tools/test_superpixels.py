# Licensed under Apache-2.0.
"""Superpixels, and components of masks, as files of segments."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.side_inputs.segments_kind import SegmentsKind
from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import OutputError
from mmwsss.pipeline.manifest import ManifestMismatch
from tests.helpers.methods import ROOT

SIZE = (48, 64)


@pytest.fixture
def tool(load_tool):
    return load_tool(ROOT / 'tools' / 'dataset_converters' / 'superpixels.py')


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two pictures of a bright square on dark ground, one in a folder of its own."""
    pixels = np.full((*SIZE, 3), 30, np.uint8)
    pixels[8:32, 16:48] = 220
    for name in ('a.jpg', 'sub/b.png'):
        path = tmp_path / 'images' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=95)
    return tmp_path / 'images'


def cut(tool, folder: Path, *options: str) -> dict[str, np.ndarray]:
    out = folder.parent / 'out'
    tool.main([str(folder), str(out), '--workers', '0', *options])
    return {
        path.relative_to(out).as_posix(): np.asarray(Image.open(path))
        for path in sorted(out.rglob('*.png'))
    }


@pytest.mark.parametrize(
    'options',
    [
        ('--segments', '30'),
        ('--method', 'felzenszwalb', '--scale', '50', '--min-size', '20'),
    ],
)
def test_segments_follow_the_edges(tool, images, options) -> None:
    pytest.importorskip('skimage.segmentation')
    found = cut(tool, images, *options)
    assert list(found) == ['a.png', 'sub/b.png']
    square = np.zeros(SIZE, bool)
    square[8:32, 16:48] = True
    for name, segments in found.items():
        assert segments.dtype == np.uint16 and segments.min() == 1
        votes = [square[segments == one] for one in np.unique(segments)]
        wrong = sum(min(vote.sum(), (~vote).sum()) for vote in votes)
        assert wrong <= 0.05 * square.size
        source = images / ('a.jpg' if name == 'a.png' else name)
        kind, info = SegmentsKind(), dict(img_path=str(source), ori_shape=SIZE)
        kind.check(str(images.parent / 'out' / name), info)


def test_components(tool, tmp_path) -> None:
    mask = np.array([[0, 1, 0, 255], [0, 1, 0, 1], [2, 2, 0, 1]], np.uint8)
    (tmp_path / 'masks').mkdir()
    Image.fromarray(mask).save(tmp_path / 'masks' / 'a.png')
    found = cut(tool, tmp_path / 'masks', '--method', 'components')['a.png']
    assert found.tolist() == [[1, 3, 2, 0], [1, 3, 2, 4], [5, 5, 2, 4]]


def test_what_is_there_is_kept(tool, images, monkeypatch) -> None:
    (images / 'list.txt').write_text('a.jpg dog\n')
    calls = []

    def blank(pixels, **settings):
        calls.append(settings)
        return np.ones(pixels.shape[:2], int)

    monkeypatch.setattr(tool, 'slic', blank)
    assert list(cut(tool, images, '--list', str(images / 'list.txt'))) == ['a.png']
    assert list(cut(tool, images)) == ['a.png', 'sub/b.png'] and len(calls) == 2
    with pytest.raises(ManifestMismatch, match='settings.segments: 200 → 50'):
        cut(tool, images, '--segments', '50')
    cut(tool, images, '--segments', '50', '--overwrite')
    assert len(calls) == 4 and calls[-1]['segments'] == 50


@pytest.mark.parametrize(
    'options,message',
    [
        (('--scale', '3'), '--scale is no setting of --method slic'),
        (('--segments', '0'), '--segments must be positive, got 0'),
        (('--list', 'LIST'), 'no picture of 1 names .* c'),
    ],
)
def test_bad_input(tool, images, tmp_path, options, message) -> None:
    (tmp_path / 'list').write_text('c\n')
    options = [str(tmp_path / 'list') if o == 'LIST' else o for o in options]
    with pytest.raises(UserError, match=message):
        cut(tool, images, *options)
    assert not (tmp_path / 'out').exists()


def test_folders_that_do_not_fit(tool, images, tmp_path, monkeypatch) -> None:
    with pytest.raises(OutputError):
        tool.main([str(images), str(images)])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='holds no pictures'):
        tool.main([str(tmp_path / 'empty'), str(tmp_path / 'out')])
    monkeypatch.setitem(sys.modules, 'skimage.segmentation', None)
    with pytest.raises(UserError, match=r'pip install "mmwsss\[superpixels\]"'):
        cut(tool, images)
    monkeypatch.setattr(tool, 'MOST', 0)
    Image.fromarray(np.ones(SIZE, np.uint8)).save(tmp_path / 'empty' / 'mask.png')
    with pytest.raises(UserError, match='cut coarser'):
        cut(tool, tmp_path / 'empty', '--method', 'components')
