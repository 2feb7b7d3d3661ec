# Licensed under Apache-2.0.
"""What is said when a training has ended."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.logging import MessageHub

from mmwsss.cli.finished import next_commands, say_finished, score_table


def test_the_scores_of_the_last_validation():
    scores = dict(seg_mIoU=61.234, seg_FP=3.0, cam_oracle_mIoU=70.0, cls_mAP=90.0)
    assert score_table(scores, 24).splitlines() == [
        '| last validation, 24 pictures |     % |',
        '| ---------------------------- | ----: |',
        '| segmentation mIoU            | 61.23 |',
        '| image labels mAP             | 90.00 |',
    ]
    assert score_table(dict(mIoU=50.0, aAcc=80.0), 3).splitlines()[2:] == [
        '| mIoU                        | 50.00 |',
        '| aAcc                        | 80.00 |',
    ]


def test_without_scores_there_is_no_table():
    assert score_table({}, 0) == ''


def test_without_test_data_nothing_is_tested():
    assert [line.split()[1] for line in next_commands('c.py', 'x.pth', 'w', True)] == [
        'tools/test.py',
        'tools/analysis_tools/report.py',
        'demo/image_demo.py',
    ]
    report, photos = next_commands('c.py', 'x.pth', 'work', False)
    assert report.startswith('python tools/analysis_tools/report.py work ')
    assert photos.startswith('python demo/image_demo.py PHOTOS c.py x.pth')


@pytest.fixture
def runner(tmp_path):
    """What is asked of a runner whose training has ended."""
    hub = MessageHub(f'finished {tmp_path}')
    hub.update_scalar('val/seg_mIoU', 10.0)
    hub.update_scalar('val/seg_mIoU', 55.5)
    hub.update_info('last_ckpt', str(tmp_path / 'iter_6.pth'))
    said = []
    return SimpleNamespace(
        message_hub=hub,
        work_dir=str(tmp_path),
        log_dir=str(tmp_path / 'log'),
        timestamp='now',
        cfg=Config(dict(test_dataloader=dict(batch_size=1))),
        val_loop=SimpleNamespace(dataloader=SimpleNamespace(dataset=range(5))),
        logger=SimpleNamespace(info=said.append),
        said=said,
    )


def test_scores_pictures_and_next_command(runner, tmp_path, monkeypatch):
    say_finished(runner, 'toco.py')
    (text,) = runner.said
    assert '55.50' in text and '5 pictures' in text
    checkpoint = tmp_path / 'iter_6.pth'
    assert f'python tools/test.py toco.py {checkpoint} --out masks' in text
    assert f'report.py {tmp_path} ' in text
    assert 'vis_image' not in text  # no picture was drawn
    (tmp_path / 'log/vis_data/vis_image').mkdir(parents=True)
    say_finished(runner)  # the command line had options: the config that ran
    assert str(tmp_path / 'log/vis_data/vis_image') in runner.said[1]
    assert f'test.py {tmp_path / "now.py"} ' in runner.said[1]
    monkeypatch.chdir(tmp_path)  # what lies below is named from there
    say_finished(runner)
    assert 'python tools/test.py now.py iter_6.pth --out masks' in runner.said[2]
