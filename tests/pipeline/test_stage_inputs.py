# Licensed under Apache-2.0.
"""Which files a stage reads, and that a change of them is noticed."""

from __future__ import annotations

from pathlib import Path

from mmwsss.pipeline.fingerprint import path_hash
from mmwsss.pipeline.stage_inputs import (
    config_files,
    content_hash,
    list_files,
    literal_paths,
)
from tests.helpers.pipelines import STAGES, make_run, write_pipeline


def test_a_list_beside_the_working_folder_counts(tmp_path, work, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('names.txt', 'train'):
        (tmp_path / name).write_text('1')
    stages = STAGES.replace("ann_dir='truth'", "ann_dir='truth', list='names.txt'")
    scores = make_run(write_pipeline(tmp_path, stages), work).stages[2]
    assert literal_paths(scores) == [str(tmp_path / 'truth'), 'names.txt']
    masks = make_run(write_pipeline(tmp_path), work).stages[1]
    assert literal_paths(masks) == []  # split='train' is no path


def test_a_config_among_the_arguments_counts_with_its_bases(tmp_path):
    base = tmp_path / 'base.py'
    base.write_text('a = 1')
    (tmp_path / 'net.py').write_text("_base_ = ['base.py']")
    first = content_hash(str(tmp_path / 'net.py'))
    base.write_text('a = 2')
    assert content_hash(str(tmp_path / 'net.py')) != first


def test_hash_of_a_folder(tmp_path):
    folder = tmp_path / 'masks'
    (folder / 'below').mkdir(parents=True)
    for name in ('a.png', 'below/b.png'):
        (folder / name).write_text('1')
    first = path_hash(folder)
    (folder / '.c.png').write_text('half')
    (folder / 'd.png.tmp').write_text('half')
    assert path_hash(folder) == first
    (folder / 'below/b.png').write_text('22')
    second = path_hash(folder)
    (folder / 'manifest.json').write_text('{}')
    assert len({first, second, path_hash(folder), path_hash(tmp_path / 'no')}) == 4
    assert path_hash(tmp_path / 'no') is None


def test_files_that_a_config_names(tmp_path):
    (tmp_path / 'data/JPEGImages').mkdir(parents=True)
    for name in ('data/classes.txt', 'data/b.jpg', 'data/JPEGImages/a.jpg', 'w.pth'):
        (tmp_path / name).write_text('1')
    cfg = dict(
        model=dict(pretrained=str(tmp_path / 'w.pth')),
        type='ViT',
        data=[dict(data_root=str(tmp_path / 'data'))],
    )
    assert list(config_files(cfg)) == [
        str(tmp_path / 'data/classes.txt'),
        str(tmp_path / 'w.pth'),
    ]


def test_lists_that_data_sets_read(tmp_path):
    names = ('splits/train.txt', 'splits/val.txt', 'splits/few.txt', 'mine.csv', 'l/x')
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    cfg = {
        f'{split}_dataloader': dict(dataset=dict(data_root=str(tmp_path), **more))
        for split, more in dict(
            train=dict(),
            val=dict(split='val'),
            test=dict(ann_file='mine.csv', split_file=str(tmp_path / 'l/x')),
        ).items()
    }

    def read(*args):
        return {
            str(Path(path).relative_to(tmp_path)) for path in list_files(cfg, *args)
        }

    assert read(('train', 'val')) == {'splits/train.txt', 'splits/val.txt'}
    assert read(('test',)) == {'mine.csv', 'l/x'}
    assert read((), None) == read((), 'train') == {'splits/train.txt'}
    assert read((), 'val') == {'splits/val.txt'}
    assert read((), 'few') == {'splits/few.txt'}
    assert list_files({}, ('test',)) == {}
