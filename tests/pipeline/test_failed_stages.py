# Licensed under Apache-2.0.
"""A stage that fails, notes that are broken: named, and what mends them."""

from __future__ import annotations

import pytest

from mmwsss.pipeline.runner import run_pipeline
from mmwsss.pipeline.stage_process import ToolError
from mmwsss.pipeline.stages import PipelineError
from tests.helpers.pipelines import actions, make_run


def test_a_failing_stage_names_its_log_and_goes_on_when_mended(config, work):
    with pytest.raises(ToolError, match='told to fail: bad.*|05_segmenter') as error:
        run_pipeline(make_run(config, work, segmenter__fail='bad'))
    assert str(work / '05_segmenter/output.log') in str(error.value)
    assert 'RuntimeError: told to fail: bad' in str(error.value)
    assert 'mask_score' in (work / 'summary.md').read_text()
    assert actions(make_run(config, work)) == ['skipped'] * 4 + ['runs anew', 'runs']


def test_a_stage_that_leaves_nothing_fails(config, work):
    with pytest.raises(ToolError, match="left no 'checkpoint'.*'masks' needs"):
        run_pipeline(make_run(config, work, cam__iters=0))


@pytest.mark.parametrize('file', ['record.json', 'begun.json'])
def test_notes_that_were_cut_off_are_named(config, work, file):
    run_pipeline(make_run(config, work, last='cam'))
    note = work / '01_cam' / file
    note.write_text(note.read_text()[:-9])
    with pytest.raises(PipelineError, match=rf'01_cam/{file} is no valid JSON.*delete'):
        run_pipeline(make_run(config, work))
    note.unlink()
    run_pipeline(make_run(config, work, last='cam'))
    assert (work / '01_cam/run/iter_12.pth').exists()


def test_a_broken_record_is_named(config, work):
    run_pipeline(make_run(config, work, only='cam'))
    (work / '01_cam/record.json').write_text('{"name": ')
    with pytest.raises(PipelineError, match='01_cam/record.json is no valid JSON.*del'):
        run_pipeline(make_run(config, work))


def test_a_work_dir_that_cannot_be_written(config, work):
    work.write_text('a file')
    with pytest.raises(OSError, match='work .*give another --work-dir'):
        run_pipeline(make_run(config, work))
