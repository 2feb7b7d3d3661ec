# Licensed under Apache-2.0.
"""Settings of the command line: for one stage or for all, known or misspelt."""

from __future__ import annotations

import pytest

from mmwsss.pipeline.runner import dry_run, run_pipeline
from mmwsss.pipeline.stages import PipelineError
from tests.helpers.pipelines import SEG, make_run, write_pipeline


@pytest.mark.parametrize(
    'options,message',
    [
        (dict(cm__iters=3), r"options cm.iters: begin with the stage.*'cam', 'masks'"),
        (dict(iters=3), 'begin with the stage'),
        (dict(cam_score__iters=3), "stage 'cam_score' has no config"),
        (dict(masks__checkpoint='{seg.checkpoint}'), "'seg' does not exist"),
        (
            dict(all__val_dataloder__dataset__split='test'),
            "no config of the pipeline has 'val_dataloder.dataset'",
        ),
    ],
)
def test_options_of_the_command_line(tmp_path, work, options, message):
    with pytest.raises(PipelineError, match=message):
        make_run(write_pipeline(tmp_path), work, **options)


def test_options_for_all_and_for_one(tmp_path, work):
    run = make_run(
        write_pipeline(tmp_path),
        work,
        all__iters=3,
        segmenter__iters=5,
        seed=7,
        masks__save=['cam', 'mask'],
    )
    configs = {s.name: s.read_config() for s in run.stages if s.config}
    assert {name: cfg.iters for name, cfg in configs.items()} == dict(
        cam=3, masks=3, segmenter=5, test=3
    )
    assert {cfg.randomness.seed for cfg in configs.values()} == {7}
    assert run.stages[1].values['save'] == ['cam', 'mask']


def test_all_passes_over_configs_without_the_place(tmp_path, work):
    """As a training that is never validated, among others that are."""
    config = write_pipeline(tmp_path, seg=SEG + 'val_dataloader = None\n')
    run = make_run(config, work, all__val_dataloader__dataset__split='few')
    configs = {s.name: s.read_config() for s in run.stages if s.config}
    assert configs['cam'].val_dataloader.dataset.split == 'few'
    assert configs['segmenter'].val_dataloader is None


def test_settings_that_no_config_has_are_shown(tmp_path, work):
    run = make_run(
        write_pipeline(tmp_path),
        work,
        cam__epochs=3,
        cam__iters=3,
        all__val_dataloader__dataset__indices=3,
    )
    dry_run(run)
    assert run.show[-2:] == [
        'new in the config of cam, masks, segmenter, test: '
        'val_dataloader.dataset.indices',
        'new in the config of cam: epochs',
    ]


@pytest.mark.parametrize(
    'stage,key,meant',
    [
        ('cam', 'iter', 'iters'),
        ('masks', 'refin', 'refine'),
        ('segmenter', 'val_dataloader.dataset.splits', 'val_dataloader.dataset.split'),
    ],
)
def test_settings_that_are_misspelt(tmp_path, work, stage, key, meant):
    """Of the config, and of the stage itself."""
    given = {f'{stage}.{key}'.replace('.', '__'): 3}
    run = make_run(write_pipeline(tmp_path), work, **given)
    with pytest.raises(
        PipelineError,
        match=(f"stage '{stage}' has no setting {key}: did you mean {meant}\\?"),
    ):
        run_pipeline(run)
    assert not list(work.glob('0*'))
