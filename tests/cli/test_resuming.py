# Licensed under Apache-2.0.
from __future__ import annotations

import pytest

from mmwsss.cli.resuming import check_resumable, requeued
from mmwsss.io.errors import UserError


def test_the_checkpoint_that_is_named(tmp_path):
    (tmp_path / 'iter_9.pth').touch()
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_9.pth'))
    check_resumable(str(tmp_path))


def test_nothing_there_begins_anew(tmp_path):
    check_resumable(str(tmp_path))


@pytest.mark.parametrize(
    ('named', 'told'), [(None, 'is not there'), ('iter_20.pth', 'names .*iter_20.pth')]
)
def test_a_run_that_would_be_replaced(tmp_path, named, told):
    for step in (9, 10):
        (tmp_path / f'iter_{step}.pth').touch()
    if named:
        (tmp_path / 'last_checkpoint').write_text(str(tmp_path / named))
    with pytest.raises(UserError, match=rf'{told}.* 2 checkpoints.*iter_10\.pth'):
        check_resumable(str(tmp_path))


def test_a_job_that_slurm_started_again(tmp_path, monkeypatch):
    monkeypatch.setenv('SLURM_RESTART_COUNT', '1')
    assert requeued(str(tmp_path)) is None  # it was stopped before a checkpoint
    (tmp_path / 'last_checkpoint').write_text('iter_9.pth')
    assert requeued(str(tmp_path)) == 'auto'
    monkeypatch.setenv('SLURM_RESTART_COUNT', '0')
    assert requeued(str(tmp_path)) is None
