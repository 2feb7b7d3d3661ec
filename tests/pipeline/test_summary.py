# Licensed under Apache-2.0.
"""The table of a run: scores of each stage and what they were taken on."""

from __future__ import annotations

import json

from mmwsss.pipeline.runner import run_pipeline
from mmwsss.pipeline.summary import summarise
from tests.helpers.pipelines import NAMES, make_run


def test_a_whole_run_and_its_table(config, work):
    table = run_pipeline(make_run(config, work))
    assert (work / 'summary.md').read_text() == table + '\n'
    rows = json.loads((work / 'summary.json').read_text())
    assert [row['stage'] for row in rows] == NAMES
    shown = {row['stage']: row for row in rows}
    cam = json.loads((work / '03_cam_score/run/metrics.json').read_text())['mIoU']
    seg = json.loads((work / '06_test/run/metrics.json').read_text())['seg_mIoU']
    assert shown['cam_score']['scores'] == {
        'CAM mIoU': round(cam, 4),
        'pseudo-mask mIoU': None,
        'segmenter mIoU': None,
    }
    assert shown['cam_score']['scored_on'] == 'train'
    assert shown['mask_score']['scores']['pseudo-mask mIoU'] is not None
    assert shown['test']['scores']['segmenter mIoU'] == round(seg, 4)
    assert shown['test']['scored_on'] == 'test'
    assert f'| cam_score | train | {cam:.2f} | – | – |' in table
    assert all(row['hours'] > 0 for row in rows)
    # what a stage was given lies beside it, whole
    resolved: dict = {}
    exec((work / '05_segmenter/seg.py').read_text(), resolved)
    assert resolved['mask_dir'] == str(work / '02_masks/run/mask')
    assert resolved['iters'] == 12
    record = json.loads((work / '01_cam/record.json').read_text())
    assert record['yields']['checkpoint']['path'] == 'run/iter_12.pth'


def test_the_table_tells_threshold_and_eroded_score(config, work):
    """CAMs of SemFormer and IRNet are published eroded."""
    run = make_run(config, work)
    run_pipeline(run)
    record = work / '03_cam_score/record.json'
    content = json.loads(record.read_text())
    content['metrics'] |= dict(mIoU=55.0, threshold=0.21, eroded_mIoU=63.7)
    record.write_text(json.dumps(content))
    assert (
        '| cam_score | train, best threshold 0.21; eroded 63.70 | 55.00 |'
        in summarise(run.stages, work)
    )


def test_scores_of_few_pictures_are_marked(config, work):
    run = make_run(config, work)
    run_pipeline(run)
    record = work / '03_cam_score/record.json'
    content = json.loads(record.read_text())
    for images, marked in ((99, True), (100, False)):
        content['metrics'] |= dict(images=images)
        record.write_text(json.dumps(content))
        table = summarise(run.stages, work)
        assert ('| cam_score | train (99 pictures, few) |' in table) is marked
        assert ('few: fewer than 100 pictures' in table) is marked
