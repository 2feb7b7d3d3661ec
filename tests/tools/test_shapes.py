# Licensed under Apache-2.0.
"""Tests of the command that draws Shapes to disk."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.shapes.scenes import SHAPES_CLASSES

TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'shapes.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('shapes_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules['shapes_tool'] = module  # workers look its functions up by name
    spec.loader.exec_module(module)
    yield module
    del sys.modules['shapes_tool']


def arguments(out: Path, *more: str) -> list[str]:
    return ['--out', str(out), '--train', '6', '--val', '3', '--test', '2',
            '--size', '48', '--jobs', '1', *more]  # fmt: skip


@pytest.fixture
def drawn(tool, tmp_path):
    tool.main(arguments(tmp_path, '--preview', str(tmp_path / 'sheet.png')))
    return tmp_path


def read_split(root: Path, split: str) -> list[list[str]]:
    text = (root / 'splits' / f'{split}.txt').read_text()
    return [line.split() for line in text.splitlines()]


def test_layout_is_vocs(drawn):
    assert len(list((drawn / 'JPEGImages').glob('*.jpg'))) == 11
    assert len(list((drawn / 'SegmentationClass').glob('*.png'))) == 11
    assert len(list((drawn / 'Saliency').glob('*.png'))) == 11
    assert (drawn / 'classes.txt').read_text().split() == list(SHAPES_CLASSES)
    assert [len(read_split(drawn, s)) for s in ('train', 'val', 'test')] == [6, 3, 2]
    assert Image.open(drawn / 'sheet.png').width == 8 * 48 + 2 * 6  # a margin


def test_lists_name_the_classes_of_the_masks(drawn):
    for split in ('train', 'val', 'test'):
        for name, *classes in read_split(drawn, split):
            assert Image.open(drawn / 'JPEGImages' / f'{name}.jpg').size == (48, 48)
            mask = Image.open(drawn / 'SegmentationClass' / f'{name}.png')
            assert mask.mode == 'P'
            found = [SHAPES_CLASSES[c] for c in np.unique(np.asarray(mask)) if c]
            assert classes == found


def test_splits_share_no_picture(drawn):
    pictures = [p.read_bytes() for p in (drawn / 'SegmentationClass').glob('*.png')]
    assert len(set(pictures)) == len(pictures)


def test_second_run_keeps_what_is_there_and_draws_what_is_missing(tool, drawn):
    images = drawn / 'JPEGImages'
    kept, lost = images / 'train_00000.jpg', images / 'val_00001.jpg'
    lists = {p.name: p.read_text() for p in (drawn / 'splits').iterdir()}
    content, stamp = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    tool.main(arguments(drawn))
    assert lost.read_bytes() == content and kept.stat().st_mtime_ns == stamp
    assert lists == {p.name: p.read_text() for p in (drawn / 'splits').iterdir()}


def test_a_folder_without_saliency_gets_it_and_nothing_else(tool, drawn):
    kept = {
        p: (p.read_bytes(), p.stat().st_mtime_ns)
        for folder in ('JPEGImages', 'SegmentationClass')
        for p in (drawn / folder).iterdir()
    }
    maps = {p: p.read_bytes() for p in (drawn / 'Saliency').iterdir()}
    shutil.rmtree(drawn / 'Saliency')
    tool.main(arguments(drawn))
    assert maps == {p: p.read_bytes() for p in (drawn / 'Saliency').iterdir()}
    assert kept == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in kept}
    assert {Image.open(p).mode for p in maps} == {'L'}


def test_other_settings_in_the_same_folder_are_refused(tool, drawn):
    with pytest.raises(FileExistsError, match='other settings'):
        tool.main(arguments(drawn, '--seed', '4'))


def test_parallel_and_serial_runs_agree(tool, drawn, tmp_path_factory):
    other = tmp_path_factory.mktemp('parallel')
    tool.main(arguments(other, '--jobs', '2'))
    for path in (drawn / 'JPEGImages').iterdir():
        assert path.read_bytes() == (other / 'JPEGImages' / path.name).read_bytes()


def test_a_list_in_which_a_class_is_rare(tool, drawn):
    """Beside the others, which stay as they were; of a class that is there."""
    before = {path: path.read_bytes() for path in drawn.rglob('*') if path.is_file()}
    rare = read_split(drawn, 'train')[0][1]
    tool.main(arguments(drawn, '--rare', rare))
    after = {path: path.read_bytes() for path in drawn.rglob('*') if path.is_file()}
    new = drawn / 'splits' / f'train_rare_{rare}.txt'
    assert after.pop(new) and after == before
    assert sum(rare in names for _, *names in read_split(drawn, new.stem)) == 1
