# Licensed under Apache-2.0.
"""Files by their names."""

from __future__ import annotations

from mmwsss.datasets.picture_finder import PictureFinder
from mmwsss.io.image_files import FileFinder


def test_what_is_there_is_asked_for_without_a_note(tmp_path) -> None:
    (tmp_path / 'a.png').touch()
    files = FileFinder(str(tmp_path), True)
    assert files.there('a', ('.jpg', '.png')) == f'{tmp_path}/a.png'
    assert files.there('b', ('.jpg', '.png')) is None and not files.missing
    assert files.find('b', ('.jpg', '.png')) == f'{tmp_path}/b.jpg'
    assert files.find('c.png', '.jpg') == f'{tmp_path}/c.png'
    assert files.missing == [f'{tmp_path}/b.jpg', f'{tmp_path}/c.png']
    unlisted = FileFinder(str(tmp_path), False)
    assert unlisted.there('b', '.jpg') == unlisted.find('b', '.jpg')


def test_another_name_of_a_picture(tmp_path) -> None:
    (tmp_path / '1-a.png').touch()
    files = PictureFinder(str(tmp_path), True, {'a.png': '1-a.png', 'b.png': '1-b.png'})
    assert files.find('a.png', '') == f'{tmp_path}/1-a.png' and not files.missing
    assert files.find('b.png', '') == f'{tmp_path}/1-b.png'
    assert files.missing == [f'{tmp_path}/1-b.png']
