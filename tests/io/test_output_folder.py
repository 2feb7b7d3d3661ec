# Licensed under Apache-2.0.
"""No tool writes over what it reads, or what it hasn't made."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.inputs_read import folders_of, inputs_read
from mmwsss.io.label_png import is_label_png, save_label_png
from mmwsss.io.output_folder import (
    MADE,
    OutputError,
    claim_file,
    claim_outputs,
    inside,
    made_in,
    one_file_each,
    refuse_inputs,
    refuse_unwritable,
    write_drawing,
)

FILES = (('a.png', 'in/a.jpg'), ('sub/b.png', 'in/sub/b.jpg'))


def refused(match: str):
    return pytest.raises(OutputError, match=match)


def test_what_was_made_may_be_made_again(tmp_path) -> None:
    claim_outputs(tmp_path / 'out', FILES)
    assert made_in(tmp_path / 'out') == {'a.png', 'sub/b.png'}
    (tmp_path / 'out' / 'a.png').write_text('of the first run')
    claim_outputs(tmp_path / 'out', [('a.png', 'x'), ('c.png', 'y')])
    assert made_in(tmp_path / 'out') == {'a.png', 'c.png', 'sub/b.png'}


def test_a_file_of_another_making_is_not_replaced(tmp_path) -> None:
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'sub' / 'b.png').write_text('drawn by hand')
    with refused(r'b\.png is there and was not made by this tool'):
        claim_outputs(tmp_path, FILES)
    assert not (tmp_path / MADE).exists()


def test_a_file_put_beside_later_is_not_replaced(tmp_path) -> None:
    claim_outputs(tmp_path, FILES)
    (tmp_path / 'c.png').write_text('drawn by hand')
    with refused(r'c\.png is there'):
        claim_outputs(tmp_path, [*FILES, ('c.png', 'in/c.jpg')])


@pytest.mark.parametrize('out', ['data/masks', 'data', 'data/../data/masks', 'link'])
def test_a_folder_that_is_or_holds_an_input(tmp_path, monkeypatch, out) -> None:
    monkeypatch.chdir(tmp_path)
    os.makedirs('data/masks')
    os.symlink('data/masks', 'link')
    with refused('which is read'):
        refuse_inputs(out, ['data/masks'])


def test_a_folder_beside_or_in_an_input(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.makedirs('data/masks/new')
    refuse_inputs('data/masks/new', ['data/masks'])
    refuse_inputs('data/mas', ['data/masks'])


def test_a_hard_link_is_the_same_file(tmp_path) -> None:
    (tmp_path / 'labels.csv').write_text('a,dots')
    os.link(tmp_path / 'labels.csv', tmp_path / 'out.json')
    with refused('is the file'):
        claim_file(tmp_path / 'out.json', [tmp_path / 'labels.csv'])


def test_two_inputs_of_one_output_are_both_named() -> None:
    with refused(r'in/a\.jpg and in/a\.png would both be written to a\.png'):
        one_file_each([('a.png', 'in/a.jpg'), ('./a.png', 'in/a.png')])


@pytest.mark.parametrize('name', ['/tmp/a.png', '../a.png', 'x/../../a.png', '..'])
def test_a_name_stays_in_its_folder(name) -> None:
    with refused('outside of its folder'):
        inside(name)


def test_a_name_is_normalised() -> None:
    assert inside('x/../y/./a b.png') == 'y/a b.png'


def test_reports_and_drawings_are_known_again(tmp_path) -> None:
    report, drawing = tmp_path / 'm.json', tmp_path / 'd.png'
    report.write_text(json.dumps(dict(images=1, sweep=[], more=2)))
    claim_file(report, keys=('images', 'sweep'))
    with refused('not made by this tool'):
        claim_file(report, keys=('masks',))
    picture = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    write_drawing(picture, drawing)
    claim_file(drawing)
    picture.save(drawing)
    with refused('not made by this tool'):
        claim_file(drawing)


def test_a_photo_is_no_label(tmp_path) -> None:
    grey = Image.fromarray(np.zeros((4, 4), np.uint8))
    grey.save(tmp_path / 'photo.png')
    save_label_png(np.zeros((4, 4), np.uint8), tmp_path / 'label.png')
    assert is_label_png(tmp_path / 'label.png')
    assert not is_label_png(tmp_path / 'photo.png')
    assert not is_label_png(tmp_path / 'none.png')


def test_folders_of_a_data_set() -> None:
    class Side:
        path = 's/x.npy'

    infos = [
        dict(img_path='i/a.jpg', seg_map_path='m/a.png', side_inputs=dict(sal=Side())),
        dict(img_path='i/b.jpg'),
    ]
    assert folders_of(infos) == ['i', 'm', 's']

    class Plain:
        ann_file, split_file = 'l.csv', ''

        def __len__(self) -> int:
            return 2

        def get_data_info(self, index: int) -> dict:
            return infos[index]

    class Both:
        datasets = (Plain(), Plain())

    assert inputs_read(Both()) == ['l.csv', 'i', 'm', 's']


def test_a_file_where_the_folder_would_be(tmp_path) -> None:
    file = tmp_path / 'out'
    file.write_text('precious')
    for folder in (file, file / 'below'):
        with refused(f'{folder} can not be made, since {file} is a file'):
            claim_outputs(folder, FILES)
    assert file.read_text() == 'precious'


def test_a_folder_that_can_not_be_written_into(tmp_path, monkeypatch) -> None:
    def full(*_) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('mmwsss.io.output_folder.write_atomic', full)
    with refused(
        '--out-dir .* can not be written into .No space left on device.: give'
    ):
        claim_outputs(tmp_path / 'out', FILES, option='--out-dir')


def test_a_folder_is_tried_before_the_work(tmp_path, monkeypatch) -> None:
    refuse_unwritable(tmp_path / 'a' / 'b', '--work-dir')
    assert list((tmp_path / 'a' / 'b').iterdir()) == []

    def full(**_) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('tempfile.TemporaryFile', full)
    with refused(r'--work-dir .*b can not be written into \(No space.*: give another'):
        refuse_unwritable(tmp_path / 'a' / 'b', '--work-dir')
