# Licensed under Apache-2.0.
"""folder.py on what people came with, and what it says to them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.data_errors import LabelError, UnreadableImageError
from mmwsss.io.errors import UserError
from tests.helpers import ROOT

FOLDER = ROOT / 'tools' / 'dataset_converters'


@pytest.fixture
def run(load_tool):
    tool = load_tool(FOLDER / 'folder.py')
    return lambda *arguments: tool.main([str(part) for part in arguments])


def photos(root: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (40, 30), (i, 0, 0)).save(root / name)
    return root


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def json_min(root: Path, *objects: str | None) -> Path:
    """A project's photos beside its export JSON-MIN; ``None``: without a choice."""
    names = [f'{i}.jpg' for i in range(len(objects))]
    photos(root / 'fotos', *names)
    tasks = [
        dict(image=f'/data/upload/3/1f2e3d4c-{name}', id=i, annotation_id=i)
        | (dict(objects=said) if said else {})
        for i, (name, said) in enumerate(zip(names, objects, strict=True))
    ]
    path = root / 'project-3-json-min.json'
    path.write_text(json.dumps(tasks))
    return path


def test_one_folder_beside_an_export_is_no_class(run, tmp_path) -> None:
    export = json_min(tmp_path / 'in', 'cat', 'dog')
    with pytest.raises(
        LabelError,
        match=f"fotos/ alone, and {export}: is 'fotos' the .* give SOURCE {export}"
        f' --images {tmp_path}/in/fotos; .* --classes fotos',
    ):
        run(tmp_path / 'in', '--out', tmp_path / 'mine')
    given = ('--images', tmp_path / 'in/fotos', '--out', tmp_path / 'mine')
    run(export, *given)
    assert lines(tmp_path / 'mine/classes.txt') == ['cat', 'dog']
    run(tmp_path / 'in', '--classes', 'fotos', '--out', tmp_path / 'one')
    assert lines(tmp_path / 'one/classes.txt') == ['fotos']


def test_pictures_without_a_choice_are_not_labelled(run, tmp_path) -> None:
    export = json_min(tmp_path / 'in', 'cat', None, 'dog', None)
    given = (export, '--images', tmp_path / 'in/fotos', '--out', tmp_path / 'mine')
    with pytest.raises(LabelError, match='gives no class for 2 of 4 images'):
        run(*given)
    run(*given, '--unlabelled', 'empty')
    assert '1.jpg,background' in lines(tmp_path / 'mine/labels.csv')


def test_spellings_are_told_at_once_with_their_pictures(run, tmp_path) -> None:
    root = photos(
        tmp_path / 'in', 'dining table/1.png', 'dining table/2.png',
        'dining-table/3.png', 'Dog/4.png', 'dog/5.png', '1-2/6.png', '12/7.png',
    )  # fmt: skip
    with pytest.raises(
        UserError,
        match=r"'Dog' \(1 pictures\), 'dog' \(1 pictures\); 'dining table' \(2 pictures"
        r"\), 'dining-table' \(1 pictures\)\. .* --classes",
    ) as error:
        run(root, '--out', tmp_path / 'mine')
    assert '12' not in str(error.value)


def said(capsys) -> str:
    told = capsys.readouterr()
    return told.out + told.err


def test_what_is_left_out_is_told(run, tmp_path, capsys) -> None:
    """Pictures in no row, columns without a picture, missing pictures."""
    names = [f'{i}.jpg' for i in range(5)]
    root = photos(tmp_path / 'in', *names)
    (root / '_classes.csv').write_text(
        'filename, cat, dog, pizza\n0.jpg, 1, 0, 0\n1.jpg, 0, 0, 1\ngone.jpg, 1, 0, 0\n'
        '2.jpg, 1, 0, 1\n3.jpg, 0, 0, 1\n'
    )
    with pytest.raises(
        UnreadableImageError,
        match=r'gone.jpg .* 1 of 5 images is missing.*take it out of the labels, or '
        'leave them out by --missing leave-out',
    ):
        run(root, '--out', tmp_path / 'mine')
    given = (root / '_classes.csv', '--out', root / 'mine', '--missing', 'leave-out')
    run(*given)
    run(*given)  # what was made isn't counted
    told = said(capsys)
    assert '1 of 5 pictures in' in told and '(first: 4.jpg)' in told
    assert "no picture of 'dog': no class" in told
    assert '1 of 5 pictures is missing: left out' in told
    assert len(lines(root / 'mine/labels.csv')) == 4
    for name in names:
        (root / name).unlink()
    with pytest.raises(
        UnreadableImageError, match='5 of 5 images are missing.*--image'
    ):
        run(root, '--out', tmp_path / 'other', '--missing', 'leave-out')


def test_missing_pictures_of_lists_are_left_out(run, tmp_path) -> None:
    root = photos(tmp_path / 'in', 'a.jpg', 'b.jpg', 'c.jpg')
    (root / 'labels.csv').write_text('a.jpg,cat\nb.jpg,cat\nc.jpg,dog\nd.jpg,dog\n')
    (root / 'train.txt').write_text('a\nc\nd\n')
    (root / 'val.txt').write_text('b\n')
    run(root, '--out', tmp_path / 'mine', '--missing', 'leave-out')
    assert lines(tmp_path / 'mine/splits/train.txt') == ['a.jpg', 'c.jpg']


def test_an_empty_class_folder_is_told(run, tmp_path, capsys) -> None:
    root = photos(tmp_path / 'in', 'cat/a.png', 'dog/b.png')
    (root / 'Delle').mkdir()
    run(root, '--out', tmp_path / 'mine')
    assert "no picture of 'Delle': no class" in said(capsys)


def test_photos_that_are_cut_off_are_left_out(run, tmp_path, capsys) -> None:
    rng = np.random.default_rng(0)
    names = ('a/1.jpg', 'a/2.jpg', 'b/3.png', 'b/4.png', 'b/5.jpg')
    root = photos(tmp_path / 'in', *names)
    for name in names:
        pixels = rng.integers(0, 256, (60, 80, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / name)
    for name in ('a/2.jpg', 'b/4.png'):
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: len(content) // 2])
    with open(root / 'b/5.jpg', 'ab') as file:  # as cameras do
        file.write(b'more than a photo' * 99)
    run(root, '--out', tmp_path / 'mine')
    kept = [line.partition(',')[0] for line in lines(tmp_path / 'mine/labels.csv')]
    assert kept == ['a/1.jpg', 'b/3.png', 'b/5.jpg']
    assert '2 pictures that can not be read are left out' in said(capsys)


def test_all_that_is_wrong_is_told_at_once(run, tmp_path) -> None:
    root = tmp_path / 'in'
    for i, name in enumerate(('ok/1.png', 'dent/2.png', 'Dent/3.png')):
        pixels = np.full((30, 40, 3), i, np.uint8)
        pixels[:9] = np.arange(40)[None, :, None]
        photos(root, name)
        Image.fromarray(pixels).save(root / name)
    (root / 'dent/1.png').write_bytes((root / 'ok/1.png').read_bytes())
    (root / 'masken').mkdir()
    Image.fromarray(np.eye(30, 40, dtype=np.uint8)).save(root / 'masken/2.png')
    with pytest.raises(UserError, match='4 things are to be mended') as error:
        run(root, '--out', tmp_path / 'mine')
    told = str(error.value)
    assert 'masken/ holds pictures of at most 2 values' in told
    assert 'dent/1.png and ok/1.png' in told and "in 'dent+ok'" in told
    assert '--rename Dent=dent' in told and f'--masks {root}/masken' in told
    with pytest.raises(UserError, match='folder that is right') as error:
        run(root, '--out', tmp_path / 'mine', '--negatives', 'ok')
    assert 'dent+ok' not in str(error.value)
    (root / 'dent/1.png').unlink()
    given = ('--masks', root / 'masken', '--negatives', 'ok')
    run(root, '--out', tmp_path / 'mine', *given, '--rename', 'dent=Dent')
    assert lines(tmp_path / 'mine/classes.txt') == ['Dent']


TABLE = (
    'Kachel;Datum;Bewölkung %;Klassen;Breite\n'
    't1.png;2026-05-01;3,5;Acker|Wald;64\nt2.png;2026-05-02;0;Wald;64\n'
)


@pytest.mark.parametrize('suffix', ['.png', ''])
def test_columns_in_another_language(run, tmp_path, suffix) -> None:
    root = photos(tmp_path / 'in', 't1.png', 't2.png')
    file = root / 'tiles.csv'
    file.write_text(TABLE.replace('.png', suffix))
    with pytest.raises(
        LabelError, match="'Kachel', 'Datum'.* by --columns image=Kachel label=NAME"
    ):
        run(file, '--out', tmp_path / 'mine')
    with pytest.raises(LabelError, match="no column 'Klasse', but .*'Klassen'"):
        run(file, '--out', tmp_path / 'mine', '--columns', 'label=Klasse')
    given = ('--columns', 'image=Kachel', 'label=Klassen')
    run(file, '--out', tmp_path / 'mine', *given)
    assert lines(tmp_path / 'mine/classes.txt') == ['Acker', 'Wald']
    assert lines(tmp_path / 'mine/labels.csv') == ['t1.png,Acker,Wald', 't2.png,Wald']


RECORDS = [
    dict(name='HASH KEY', image='1.png', category='Symbols', Gruppe='a'),
    dict(name='KEYCAP', image='2.png', category='Flags', Gruppe='b'),
]


@pytest.mark.parametrize('form', ['json', 'jsonl', 'csv'])
def test_the_field_that_names_files_is_taken(run, tmp_path, capsys, form) -> None:
    root = photos(tmp_path / 'in', '1.png', '2.png')
    text = '\n'.join(map(json.dumps, RECORDS))
    if form == 'json':
        text = json.dumps(RECORDS)
    if form == 'csv':
        rows = [RECORDS[0].keys(), *(record.values() for record in RECORDS)]
        text = '\n'.join(map(','.join, rows))
    (root / f'all.{form}').write_text(text)
    run(root / f'all.{form}', '--out', tmp_path / 'mine')
    assert lines(tmp_path / 'mine/labels.csv') == ['1.png,Symbols', '2.png,Flags']
    assert "'image' names the pictures, 'name' does not" in said(capsys)
    given = ('--columns', 'image=image', 'label=Gruppe')
    run(root / f'all.{form}', '--out', tmp_path / 'other', *given)
    assert lines(tmp_path / 'other/classes.txt') == ['a', 'b']


def test_fixes_are_in_the_words_of_the_tool(run, tmp_path) -> None:
    root = photos(tmp_path / 'in', 'a/1.png', 'b/2.png')
    pixels = np.zeros((30, 40, 4), np.uint8)
    for name in ('a/1.png', 'b/2.png'):
        Image.fromarray(pixels).save(root / name)
    with pytest.raises(
        UserError, match='by --picture background=white .*bands=0,1,2'
    ) as error:
        run(root, '--out', tmp_path / 'mine')
    assert 'dict(' not in str(error.value)
    run(root, '--out', tmp_path / 'flat', '--picture', 'background=white')
    entries = json.loads((tmp_path / 'flat/picture.json').read_text())
    assert entries == dict(background='white')
    with pytest.raises(UserError, match=r'by --negatives b; .* --classes\.$'):
        run(root, '--out', tmp_path / 'mine', '--classes', 'a')
    (root / 'labels.json').write_text('{"a/1.png": ["x"], "b/2.png": null}')
    with pytest.raises(UserError, match='all of them by --unlabelled empty'):
        run(root, '--out', tmp_path / 'mine')


def test_a_refused_run_leaves_nothing(run, tmp_path) -> None:
    root, exif = photos(tmp_path / 'in', 'a/1.jpg', 'b/2.jpg', 'a/3.jpg'), Image.Exif()
    exif[0x0112] = 3
    Image.open(root / 'a/1.jpg').save(root / 'a/1.jpg', exif=exif)
    masks = tmp_path / 'masks'
    for i, name in enumerate(('a/1.png', 'b/2.png', 'a/3.png')):
        mask = np.zeros((30, 40), np.uint8)
        mask[5:9, 5:9] = i % 2 + 1
        (masks / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(masks / name)
    out, given = tmp_path / 'mine', (root, '--masks', masks, '--val', '0.3')
    with pytest.raises(UserError, match='way the masks lie: --picture exif=turn if'):
        run(*given, '--out', out)
    assert not out.exists()
    run(*given, '--out', out, '--picture', 'exif=turn')
    with pytest.raises(UserError, match=r"picture: {'exif': 'turn'}, now {'exif': 'ig"):
        run(*given, '--out', out, '--picture', 'exif=ignore')


def test_a_run_that_did_not_end_may_get_other_settings(run, tmp_path) -> None:
    root, out = photos(tmp_path / 'in', 'a/1.jpg', 'b/2.jpg'), tmp_path / 'mine'
    run(root, '--out', out)
    settings = json.loads((out / 'settings.json').read_text())
    assert 'begun' not in settings
    with pytest.raises(
        UserError, match=r'classes: \[\], now .*another folder to --out'
    ):
        run(root, '--out', out, '--classes', 'b', 'a')
    (out / 'settings.json').write_text(json.dumps(dict(settings, begun=True)))
    (root / 'a/3.jpg').write_bytes((root / 'a/1.jpg').read_bytes())
    (root / 'a/1.jpg').unlink()
    (out / 'notes.txt').write_text('mine')
    run(root, '--out', out, '--classes', 'b', 'a')
    assert lines(out / 'classes.txt') == ['b', 'a']
    assert sorted(p.name for p in (out / 'images').rglob('*.jpg')) == ['2.jpg', '3.jpg']
    assert (out / 'notes.txt').is_file()
