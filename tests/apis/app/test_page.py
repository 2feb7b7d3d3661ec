# Licensed under Apache-2.0.
"""What the page says; Gradio isn't needed for it."""

from __future__ import annotations

from pathlib import Path

from mmwsss.apis.app.page import Page
from mmwsss.apis.app.photo_segmenter import PhotoSegmenter

ZOO = 'toco_vit-t_shapes'


def test_a_photo_a_broken_one_and_none(segmenter, photo, tmp_path) -> None:
    page = Page(segmenter, tmp_path)
    done, line, png, facts = page.segment(photo, ZOO)
    assert line.startswith('scene, 96 × 96, by toco_vit-t_shapes: ')
    assert (Path(png).name, Path(facts).name) == ('scene.png', 'scene.json')
    mask, sure, cams, table = page.show(done, ['dots'])
    assert mask.shape == sure.shape == (96, 96, 3)
    assert {name for _, name in cams} <= {'dots'} and 'dots' in table
    broken = tmp_path / 'upload' / 'broken.jpg'
    broken.parent.mkdir()
    broken.write_bytes(b'\xff\xd8')
    done, line, *files = page.segment(str(broken), ZOO)
    assert (done, files) == (None, [None, None])
    assert line.startswith('Error: broken.jpg cannot be read') and '\n' not in line
    assert page.show(None, []) == (None, None, [], '')
    assert page.segment(None, ZOO)[1] == 'Drop a photo to begin.'


def test_two_photos_of_one_name_have_files_each(segmenter, photo, tmp_path) -> None:
    page = Page(segmenter, tmp_path)
    assert page.segment(photo, ZOO)[2] != page.segment(photo, ZOO)[2]


def test_weights_that_are_gone(tmp_path) -> None:
    page = Page(PhotoSegmenter({'gone': (str(tmp_path / 'a.py'), 'b.pth')}), tmp_path)
    names, line = page.classes('gone')
    assert names == [] and line.startswith('Error: ') and 'a.py' in line
    assert page.segment(None, 'gone')[1] == line
