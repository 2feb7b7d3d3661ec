# Licensed under Apache-2.0.
"""Runs of some of the stages: what the others must have left behind."""

from __future__ import annotations

import pytest

from mmwsss.pipeline.runner import run_pipeline
from mmwsss.pipeline.stages import PipelineError
from tests.helpers.pipelines import STAGES, make_run, write_pipeline


def test_from_to_only(config, work):
    run_pipeline(make_run(config, work, last='masks'))
    assert sorted(p.name for p in work.glob('0*')) == ['01_cam', '02_masks']
    run_pipeline(make_run(config, work, only='mask_score'))
    assert (work / '04_mask_score/record.json').exists()
    assert not (work / '03_cam_score').exists()
    with pytest.raises(PipelineError, match=r'segmenter.*begin with --from segmenter'):
        run_pipeline(make_run(config, work, first='test'))
    run_pipeline(make_run(config, work, first='segmenter'))
    assert (work / '06_test/record.json').exists()


def test_a_stage_left_out_is_taken_as_it_is_and_said_so(config, work):
    run_pipeline(make_run(config, work))
    run = make_run(config, work, only='masks', cam__iters=99)
    run_pipeline(run)
    assert any('ALTHOUGH' in line and '12 → 99' in line for line in run.show)
    assert (work / '01_cam/run/iter_12.pth').exists()


def test_an_output_that_nobody_had_asked_for(config, work):
    run_pipeline(make_run(config, work, last='cam'))
    write_pipeline(
        config.parent, STAGES.replace('{cam.checkpoint}', '{cam.best_checkpoint}')
    )
    with pytest.raises(
        PipelineError,
        match=(
            r"'masks' needs \{cam.best_checkpoint\}, but 'cam' has finished without"
        ),
    ):
        run_pipeline(make_run(config, work))


def test_what_is_given_must_be_there(config, work):
    """Said before what depends on it is put aside."""
    run_pipeline(make_run(config, work))
    (work / '01_cam/run/iter_12.pth').unlink()
    with pytest.raises(PipelineError, match=r"'cam' has not finished.*or it is gone"):
        run_pipeline(make_run(config, work, only='masks'))
    assert (work / '02_masks/record.json').exists() and not (work / 'aside').exists()
