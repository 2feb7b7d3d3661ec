# Licensed under Apache-2.0.
"""folder.py on what people came with, and what it says to them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from mmwsss.io.data_errors import LabelError
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
