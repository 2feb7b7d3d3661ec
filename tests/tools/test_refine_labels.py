# Licensed under Apache-2.0.
"""The command that refines maps on disk, as a user calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.data_errors import SideInputError
from mmwsss.io.provenance import KEY, code_facts, record_of_folder
from mmwsss.pipeline.refine.refine_cfg import RefineCfg
from mmwsss.pipeline.refine.refine_folder import refine_folder
from tests.helpers.methods import ROOT, pictures
from tests.helpers.pipelines import listen_to_ctrl_c

TOOL = ROOT / 'tools' / 'refine_labels.py'


def make(folder: Path, count: int, size: tuple[int, int]) -> Path:
    """images/ and cam/ of two classes."""
    for name in ('images', 'cam'):
        (folder / name).mkdir()
    for i, image in enumerate(pictures(count, size)):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(
            folder / 'images' / f'{i:03}.jpg'
        )
        cam = np.random.RandomState(i).rand(2, *size).astype(np.float16)
        np.save(folder / 'cam' / f'{i:03}.npy', cam)
    return folder


@pytest.fixture
def tool(load_tool):
    return load_tool(TOOL)


def options(folder: Path, *more: str) -> list[str]:
    return [
        *map(str, (folder / 'images', folder / 'cam', folder / 'out')),
        '--kind',
        'cam',
        '--workers',
        '1',
        *more,
    ]


def test_votes_over_segments(tool, tmp_path) -> None:
    """A folder, and a folder with settings; each segment has one label."""
    make(tmp_path, 2, (12, 16))
    (tmp_path / 'segments').mkdir()
    cells = np.arange(12)[:, None] // 4 * 4 + np.arange(16) // 4 + 1
    for name in ('000', '001'):
        Image.fromarray(cells.astype(np.uint16)).save(
            tmp_path / 'segments' / f'{name}.png'
        )
    vote = ['--labeler', "dict(type='SegmentVote', bkg_thr=0.5)", '--segments']
    folder = str(tmp_path / 'segments')
    assert tool.main(options(tmp_path, *vote, folder)) == 0
    label = np.asarray(Image.open(tmp_path / 'out' / '000.png'))
    assert all(len(np.unique(label[cells == n])) == 1 for n in np.unique(cells))
    left_out = f"dict(dir='{folder}', min_area=99)"
    with pytest.raises(SideInputError, match='keeps no segment of min_area=99'):
        tool.main(options(tmp_path, '--overwrite', *vote, left_out))


def test_labels_with_the_palette(tool, tmp_path) -> None:
    make(tmp_path, 3, (12, 16))
    (tmp_path / 'list.txt').write_text('000\n002\n')
    code = tool.main(
        options(
            tmp_path,
            '--refine',
            'par',
            '--bkg-thr',
            '0.3',
            '0.6',
            '--palette',
            'coco',
            '--list',
            str(tmp_path / 'list.txt'),
        )
    )
    assert code == 0
    written = sorted((tmp_path / 'out').glob('*.png'))
    assert [p.name for p in written] == ['000.png', '002.png']
    with Image.open(written[0]) as picture:
        assert picture.mode == 'P' and picture.size == (16, 12)
        assert picture.getpalette()[3:6] == list(tool.PALETTES['coco'][1])
        assert set(np.unique(np.asarray(picture)).tolist()) <= {0, 1, 2, 255}


def test_labels_say_where_they_come_from(tool, tmp_path) -> None:
    """Code, settings and what the maps say; a call that goes on keeps or chains it."""
    make(tmp_path, 2, (12, 16))
    of_maps = dict(code=dict(version='1', commit=None, sources='aa'))
    (tmp_path / 'manifest.json').write_text(json.dumps({KEY: of_maps}))
    tool.main(options(tmp_path, '--refine', 'par', '--bkg-thr', '0.3', '0.6'))
    first = record_of_folder(tmp_path / 'out')
    assert first['code'] == code_facts() and first['data'][0]['pictures'] == 2
    assert first['parents'][0]['record'] == of_maps
    tool.main(options(tmp_path, '--refine', 'par', '--bkg-thr', '0.3', '0.6'))
    assert record_of_folder(tmp_path / 'out') == first
    tool.main(options(tmp_path, '--refine', 'par', '--bkg-thr', '0.2', '0.6'))
    second = record_of_folder(tmp_path / 'out')  # labels that are there were kept
    assert second['config'] != first['config']
    assert second['parents'][1]['record'] == first


def test_failures_are_listed_at_the_end(tool, tmp_path, capfd) -> None:
    make(tmp_path, 3, (12, 16))
    np.save(tmp_path / 'cam' / '001.npy', np.array({'keys': 1}, dtype=object))
    assert tool.main(options(tmp_path, '--alpha', '4')) == 1
    text = ''.join(capfd.readouterr())
    assert '2 labels written' in text and '1 failed' in text
    assert '001.npy is a pickle, which could run any code' in text
    assert len(list((tmp_path / 'out').glob('*.png'))) == 2


def test_wrong_settings_are_one_line(tmp_path) -> None:
    make(tmp_path, 1, (12, 16))
    (tmp_path / 'cam' / '000.npy').unlink()
    done = subprocess.run(
        [sys.executable, TOOL, *options(tmp_path, '--alpha', '4')],
        cwd=ROOT,
        env=os.environ | dict(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith('error: ')
    assert 'for 1 names: 000.' in done.stderr


def test_interrupted_and_resumed(tmp_path) -> None:
    """Ctrl-C in the terminal: whole files, no other, code 130; then on to the end."""
    make(tmp_path, 40, (120, 160))
    command = [
        sys.executable,
        TOOL,
        *options(tmp_path, '--alpha', '4', '--workers', '2'),
    ]
    env = os.environ | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    out = tmp_path / 'out'
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        start_new_session=True,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=listen_to_ctrl_c,
    ) as process:
        end = time.time() + 240
        while not list(out.glob('*.png')) and process.poll() is None:
            assert time.time() < end
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        text = ''.join(process.communicate(timeout=120))
    assert process.returncode == 130 and 'interrupted; run it again' in text, text
    assert 'Traceback' not in text, text
    names = sorted(p.name for p in out.glob('*.png'))
    assert 0 < len(names) < 40 and all(n.endswith('.png') for n in names)
    cfg = RefineCfg(kind='cam', alpha=4.0)
    folders = tmp_path / 'images', tmp_path / 'cam'
    chosen = [Path(n).stem for n in (*names[:2], *names[-2:])]
    refine_folder(*folders, tmp_path / 'serial', cfg, names=chosen)
    for name in chosen:
        with (
            Image.open(out / f'{name}.png') as one,
            Image.open(tmp_path / 'serial' / f'{name}.png') as other,
        ):
            assert np.array_equal(np.asarray(one), np.asarray(other))
    report = refine_folder(
        *folders, out, cfg, names=[*(Path(n).stem for n in names), '039']
    )
    assert report.skipped >= len(names) and not report.failed
