# Licensed under Apache-2.0.
"""A second run into a folder goes on with it, or is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmwsss.pipeline.generate.generate_labels import RunOptions
from mmwsss.pipeline.lock import OUTPUT_LOCK, BusyError, folder_lock
from tests.helpers.generation import NAMES, config_of, contents, draw_data


def test_a_finished_folder_is_left_alone(run) -> None:
    _, out = run(bkg_thr=(0.5,))
    before = contents(out)
    stamps = {p: p.stat().st_mtime_ns for p in out.glob('*/*')}
    gone = (out / 'mask' / f'{NAMES[1]}.png', out / 'cam' / f'{NAMES[3]}.npz')
    for path in gone:
        path.unlink()
    (out / 'mask' / f'{NAMES[0]}.png.77.tmp').write_bytes(b'half')
    report, _ = run(bkg_thr=(0.5,))
    assert report.skipped == 3 and contents(out) == before
    assert all(
        p.stat().st_mtime_ns == t
        for p, t in stamps.items()
        if p.stem not in (NAMES[1], NAMES[3])
    )


def test_files_that_were_cut_off_are_made_again(run) -> None:
    _, out = run(bkg_thr=(0.5,))
    before = contents(out)
    first, second = (out / 'cam' / f'{name}.npz' for name in NAMES[:2])
    first.write_bytes(first.read_bytes()[:-1])
    second.write_bytes(b'')
    mask = out / 'mask' / f'{NAMES[3]}.png'
    mask.write_bytes(mask.read_bytes()[:40])
    report, _ = run(bkg_thr=(0.5,))
    assert report.skipped == len(NAMES) - 3 and contents(out) == before


def test_other_settings_are_refused(run) -> None:
    _, out = run(bkg_thr=(0.5,))
    before = contents(out)
    with pytest.raises(ValueError, match=r'bkg_thr: \[0.5\] → \[0.4\].*--overwrite'):
        run(bkg_thr=(0.4,))
    with pytest.raises(ValueError, match=r'weights: "\w+" → "\w+"'):
        run(bkg_thr=(0.5,), seed=1)
    assert contents(out) == before
    report, _ = run(bkg_thr=(0.4,), options=RunOptions(overwrite=True))
    assert report.skipped == 0 and contents(out) != before


def test_files_of_unknown_origin_are_refused(run) -> None:
    """Without a manifest nobody knows what they were made with."""
    _, out = run(bkg_thr=(0.5,))
    (out / 'manifest.json').unlink()
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r'no manifest\.json.*\.npz\).*delete'):
            run(bkg_thr=(0.4,), options=RunOptions(overwrite=overwrite))


def test_a_kill_while_overwriting_mixes_nothing(run, monkeypatch) -> None:
    """Whatever is left then is still known to be of the old settings."""
    _, out = run(bkg_thr=(0.5,))
    deleted = []

    def killed(folder: Path, **_: object) -> None:
        if deleted:
            raise KeyboardInterrupt
        deleted.append(folder)

    monkeypatch.setattr(
        'mmwsss.pipeline.generate.generate_labels.shutil.rmtree', killed
    )
    with pytest.raises(KeyboardInterrupt):
        run(bkg_thr=(0.4,), options=RunOptions(overwrite=True))
    monkeypatch.undo()
    assert (out / 'manifest.json').is_file() and any((out / 'mask').iterdir())
    with pytest.raises(ValueError, match=r'bkg_thr: \[0.5\] → \[0.4\]'):
        run(bkg_thr=(0.4,))
    report, _ = run(bkg_thr=(0.4,), options=RunOptions(overwrite=True))
    assert report.skipped == 0


def test_other_image_labels_are_refused(run, tmp_path) -> None:
    """They choose the classes; where the network does, they don't matter."""
    root = draw_data(tmp_path / 'data', 2)
    cfg, chosen = config_of('toco', root), dict(cam_filter='pred', out='pred')
    run(cfg=cfg, bkg_thr=(0.5,))
    run(cfg=cfg, bkg_thr=(0.5,), **chosen)
    lists = root / 'splits' / 'train.txt'
    lists.write_text(lists.read_text().replace('dots', 'rings'))
    with pytest.raises(ValueError, match='labels: .* → .*--overwrite'):
        run(cfg=cfg, bkg_thr=(0.5,))
    report, _ = run(cfg=cfg, bkg_thr=(0.5,), **chosen)
    assert report.skipped == 2


def test_two_writers_in_one_folder(run) -> None:
    """``--overwrite`` into a folder that another run fills would mix the settings."""
    _, out = run(bkg_thr=(0.5,))
    before = contents(out)
    with (
        folder_lock(out, '--out', OUTPUT_LOCK),
        pytest.raises(BusyError, match=f'process {os.getpid()} .*another --out'),
    ):
        run(options=RunOptions(overwrite=True), bkg_thr=(0.2,))
    assert contents(out) == before
