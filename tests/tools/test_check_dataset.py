# Licensed under Apache-2.0.
"""The whole check of a data set: report, lines and exit code."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.own.folder_cfgs import folder_splits
from mmwsss.io.output_folder import OutputError
from mmwsss.pipeline.data_check.equal_files import equal_files
from mmwsss.registry import DATASETS

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'analysis_tools' / 'check_dataset.py'
CONFIG = ROOT / 'configs' / '_base_' / 'datasets' / 'shapes_96.py'


def photo(path: Path, seed: int, size=(40, 48)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def own(tmp_path):
    """Eight pictures of two classes with masks, two of them for validation."""
    root = tmp_path / 'own'
    lines = []
    for i in range(8):
        photo(root / 'images' / f'{i}.png', i)
        mask = np.zeros((40, 48), np.uint8)
        mask[5:20, 5:20] = 1 + i % 2
        (root / 'masks').mkdir(exist_ok=True)
        Image.fromarray(mask).save(root / 'masks' / f'{i}.png')
        lines.append(f'{i}.png,{("ant", "bee")[i % 2]}')
    (root / 'labels.csv').write_text('\n'.join(lines) + '\n')
    (root / 'classes.txt').write_text('ant\nbee\n')
    (root / 'splits').mkdir()
    (root / 'splits' / 'train.txt').write_text(''.join(f'{i}.png\n' for i in range(6)))
    (root / 'splits' / 'val.txt').write_text('6.png\n7.png\n')
    return root


@pytest.fixture
def check(load_tool, tmp_path, caplog):
    """Run the tool; gives exit code, log and report."""
    tool = load_tool(TOOL)

    def run(source, *options):
        out = tmp_path / 'report'
        caplog.clear()
        code = 0
        with caplog.at_level(logging.INFO):
            try:
                tool.main([str(source), '--out', str(out), '--workers', '0', *options])
            except SystemExit as err:
                code = err.code
        return code, (out / 'report.md').read_text()

    return run


def test_a_sound_folder(check, own, tmp_path):
    code, report = check(own)
    assert code == 0 and '0 refused, 0 warnings.' in report
    assert '6 pictures, 2 classes' in report and 'Masks read: 6.' in report
    assert 'Sizes (width x height): 48 x 40 to 48 x 40' in report
    assert '| 2 | 1' in report  # the mean of noise is 127
    for split in ('train', 'val'):
        name = f'{split}_samples.png'
        assert f'({name})' in report
        assert Image.open(tmp_path / 'report' / name).width > 300
    assert check(own)[0] == 0  # its own outputs are written again


def test_a_config(check, own, tmp_path):
    """val and test of Shapes' config are data sets of their own."""
    root = tmp_path / 'shapes'
    for name, folder in (('JPEGImages', 'images'), ('SegmentationClass', 'masks')):
        shutil.copytree(own / folder, root / name)
    for split, ids in (('train', range(6)), ('val', (6, 7)), ('test', (6, 7))):
        (root / 'splits').mkdir(exist_ok=True)
        text = ''.join(f'{i}.png {("stripes", "dots")[i % 2]}\n' for i in ids)
        (root / 'splits' / f'{split}.txt').write_text(text)
    options = [f'{s}_dataloader.dataset.data_root={root}' for s in ('train', 'val')]
    code, report = check(CONFIG, '--split', 'train', 'val', '--cfg-options', *options)
    assert code == 0, report
    assert "warning: train: no picture of 'check', 'rings'" in report
    assert 'Masks read: 6.' in report and 'Masks read: 2.' in report


def refused(report: str) -> list[str]:
    return [line for line in report.split('\n') if line.startswith('- refused: ')]


def spoil_masks(root):
    for path in (root / 'masks').iterdir():
        Image.fromarray(255 * (np.asarray(Image.open(path)) > 0).astype(np.uint8)).save(
            path
        )


def spoil_one_mask(root):
    Image.new('L', (48, 40), 9).save(root / 'masks' / '3.png')


def cut_off(root):
    for i in (1, 2):
        path = root / 'images' / f'{i}.png'
        path.write_bytes(path.read_bytes()[:300])
        Image.new('L', (48, 40)).save(root / 'masks' / f'{i}.png')


def same_photo(root):
    """Under two names, with different labels."""
    shutil.copy(root / 'images' / '2.png', root / 'images' / '1.png')


def deep(root):
    pixels = np.full((40, 48), 4000, np.uint16)
    Image.fromarray(pixels).save(root / 'images' / '4.png')


def turn(root):
    path = root / 'images' / '5.png'
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(path).save(path, exif=exif)


def other_size(root):
    Image.new('L', (48, 41), 1).save(root / 'masks' / '2.png')


@pytest.mark.parametrize(
    ('spoil', 'match'),
    [
        (spoil_masks, 'train: masks: .*6 of 6 masks hold none of the classes'),
        (spoil_one_mask, r'holds the ids \[9\], outside 0..2'),
        (cut_off, r'1\.png cannot be read .*\(2 of 6 files\)'),
        (same_photo, r'2\.png are one photo with different labels'),
        (deep, r'4\.png holds 16-bit values 4000'),
        (turn, r'EXIF orientation 3'),
        (other_size, r'2\.png is 41x48 but its image'),
    ],
)
def test_faults_are_refused(check, own, spoil, match):
    spoil(own)
    code, report = check(own)
    assert code == 1
    assert ('Masks against their label: 6' in report) == (spoil is spoil_masks)
    lines = refused(report)
    assert any(re.search(match, line) for line in lines), lines
    assert not any('\n' in line for line in lines)


def test_what_is_only_told(check, own, tmp_path):
    """One photo in two splits, or twice with one label; odd pictures."""
    shutil.copy(own / 'images' / '2.png', own / 'images' / '6.png')
    shutil.copy(own / 'images' / '1.png', own / 'images' / '3.png')
    Image.new('RGB', (48, 40), 'blue').save(own / 'images' / '4.png')
    Image.new('RGB', (48, 40), 'blue').save(own / 'images' / '5.png')
    code, report = check(own)
    assert code == 0
    assert '6.png are one photo in the splits train, val' in report
    assert '3.png are one photo\n' in report
    assert '2 pictures are odd (one colour)' in report
    assert '5.png are one photo' not in report  # blank ones are alike
    assert Image.open(tmp_path / 'report' / 'odd.png').height > 100


def test_a_split_that_cannot_be_opened(check, own):
    (own / 'images' / '6.png').unlink()
    code, report = check(own)
    assert code == 1
    assert 'refused: val: ' in report and '6.png' in report
    assert '## train' in report
    assert check(own, '--split', 'train')[0] == 0


def test_bad_input(load_tool, own, tmp_path):
    tool = load_tool(TOOL)
    with pytest.raises(ValueError, match="no split 'test' of its own, only"):
        tool.main([str(own), '--split', 'test'])
    with pytest.raises(ValueError, match='holds no labels that are known'):
        tool.main([str(own / 'masks')])
    with pytest.raises(OutputError, match='holds .*images, which is read'):
        tool.main([str(own), '--out', str(own)])


@pytest.mark.parametrize('form', ['lists', 'folders', 'roboflow', 'classes', 'voc'])
def test_folder_layouts(tmp_path, form):
    """What is found, and that it opens."""
    files = dict(
        lists=['images/a.png', 'images/b.png'],
        folders=['train/ant/a.png', 'train/good/b.png'],
        roboflow=['train/a.png', 'train/b.png'],
        classes=['ant/a.png', 'bee/b.png'],
        voc=['JPEGImages/a.png', 'JPEGImages/b.png'],
    )[form]
    for seed, name in enumerate(files):
        photo(tmp_path / name, seed)
    texts = dict(
        lists=('train.txt', 'a ant\nb bee\n'),
        roboflow=('train/_classes.csv', 'filename,ant,bee\na.png,1,0\nb.png,0,1\n'),
        voc=('splits/train.txt', 'a ant\nb bee\n'),
    )
    if form in texts:
        (tmp_path / texts[form][0]).parent.mkdir(exist_ok=True)
        (tmp_path / texts[form][0]).write_text(texts[form][1])
    found = folder_splits(tmp_path)
    assert list(found) == ['all' if form == 'classes' else 'train']
    (cfg,) = found.values()
    data = DATASETS.build(cfg)
    labels = [data.get_data_info(i)['gt_labels'] for i in range(len(data))]
    assert labels == ([(0,), ()] if form == 'folders' else [(0,), (1,)])


def test_equal_files(tmp_path):
    for name, text in (('a', 'one'), ('b', 'two'), ('c', 'one'), ('d', 'three')):
        (tmp_path / name).write_text(text)
    paths = [str(tmp_path / name) for name in 'abcda']
    assert equal_files(paths) == [(paths[0], paths[2])]
    assert equal_files([]) == []


def test_masks_of_training_pictures(own, check) -> None:
    """They are looked at, in folders below too; pictures may lack them."""
    for folder in ('images', 'masks'):
        (own / folder / 'a').mkdir()
        for i in range(6):
            (own / folder / f'{i}.png').rename(own / folder / 'a' / f'{i}.png')
    names = [f'a/{i}.png' for i in range(6)]
    (own / 'splits' / 'train.txt').write_text('\n'.join(names) + '\n')
    rows = [
        f'{name},{("ant", "bee")[i % 2]}'
        for i, name in enumerate([*names, '6.png', '7.png'])
    ]
    (own / 'labels.csv').write_text('\n'.join(rows) + '\n')
    (own / 'masks' / 'a' / '0.png').unlink()
    code, report = check(own)
    assert code == 0
    assert report.count('Masks read: 5.') == 1 and report.count('Masks read: 2.') == 1
    Image.new('L', (24, 20)).save(own / 'masks' / 'a' / '1.png')
    code, report = check(own)
    assert code == 1 and 'a/1.png is 20x24' in report
