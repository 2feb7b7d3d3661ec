# Licensed under Apache-2.0.
"""What a run says of its tools and of the checkpoints that were chosen."""

from __future__ import annotations

import pytest

from mmwsss.pipeline.runner import run_pipeline
from mmwsss.pipeline.stage_process import progress
from tests.helpers.pipelines import STAGES, make_run, write_pipeline


def test_what_is_shown_of_a_tool():
    shown = []
    echo = progress(shown.append, 'cam')
    for line in (
        'Could not import X',
        '11/21 13:05:06 - mmengine - INFO -',
        'mm - INFO - Iter(train) [ 3/12]  loss: 1',
        '[>>>   ] 20/24, ETA: 1s',
        "11/21 13:05:06 - mmengine - INFO - cam_filter='gt': masked by the "
        'GROUND-TRUTH image labels',
        'KeyError: 3',
        'error: no such file',
    ):
        echo(line)
    assert shown == [
        'cam | Iter(train) [ 3/12]  loss: 1',
        "cam | cam_filter='gt': masked by the GROUND-TRUTH image labels",
        'cam | KeyError: 3',
        'cam | error: no such file',
    ]
    shown.clear()
    progress(shown.append, 'masks')('[>>>   ] 20/24, elapsed: 2s')  # long nothing
    assert shown == ['masks | 20/24, elapsed: 2s']


def test_the_chosen_checkpoint_is_announced(tmp_path, work):
    stages = STAGES.replace("'{segmenter.checkpoint}'", "'{segmenter.best_checkpoint}'")
    run = make_run(write_pipeline(tmp_path, stages), work)
    with pytest.raises(RuntimeError, match="left no 'best_checkpoint'"):
        run_pipeline(run)  # the stand-in selects nothing
    (work / '05_segmenter/run/best_seg_mIoU_iter_4.pth').write_text('[4, "x"]')
    run_pipeline(make_run(write_pipeline(tmp_path, stages), work))
    run = make_run(write_pipeline(tmp_path, stages), work, test__tta=True)
    run_pipeline(run)
    assert any(
        'CHOSEN BY ITS SCORE' in line and 'pixel labels' in line for line in run.show
    )
    best = work / '05_segmenter/run/best_seg_mIoU_iter_4.pth'
    best.rename(best.with_name('best_sim_mAP_iter_4.pth'))  # needs no pixel label
    run = make_run(write_pipeline(tmp_path, stages), work)
    run_pipeline(run)
    assert any('(sim_mAP_iter_4), which uses image labels' in line for line in run.show)
