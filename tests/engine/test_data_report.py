# Licensed under Apache-2.0.
"""What a run says of its data at its start, and of its labels at its end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmwsss.engine.hooks import data_report
from mmwsss.engine.hooks.label_stats_hook import LabelStatsHook
from mmwsss.io.errors import UserError
from mmwsss.models.loss_schedule import LossSchedule
from tests.datasets.conftest import draw
from tests.datasets.test_weak_seg_dataset import build


class Log(list):
    """A logger that keeps what it is told."""

    def info(self, text):
        self.append(('info', text))

    def log(self, level, text):
        self.append(('warning', text))


def model_of(weights=None, test_cfg=None, pretrained=None):
    model = nn.Module()
    model.terms = SimpleNamespace(schedule=LossSchedule(weights or {}))
    model.test_cfg = test_cfg or {}
    model.backbone = nn.Linear(2, 3)
    model.backbone.pretrained = pretrained
    return model


def runner_of(tmp_path, train=None, val=None, test=None):
    loops = {
        f'_{name}_loop': data
        and SimpleNamespace(dataloader=SimpleNamespace(dataset=data))
        for name, data in dict(train=train, val=val, test=test).items()
    }
    return SimpleNamespace(
        **loops, logger=Log(), work_dir=str(tmp_path), max_iters=90, cfg={}
    )


def test_a_training_begins_with_its_data(tmp_path):
    folder = draw(tmp_path / 'set')
    (folder / 'splits' / 'train.txt').write_text('a cat\nb cat dog\nc background\n')
    runner = runner_of(tmp_path, build(folder), build(folder, split='val', indices=2))
    data_report.report_training(
        runner, model_of({'cls': 1.0, 'seg': [(0, 0), (2001, 1)]})
    )
    told = [text for kind, text in runner.logger if kind == 'warning']
    assert 'no picture of' in told[0] and "'red fox'" in told[0]
    assert '2 of 2 validation pictures are training pictures' in told[1]
    assert "'seg' begins at iteration 2001, and the run ends at 90" in told[2]
    assert 'starts at random' in told[3] and len(told) == 4
    written = (tmp_path / data_report.SUMMARY_FILE).read_text()
    assert '3 pictures, 3 classes, 1 without an object' in written
    assert "warning: no picture of 'red fox'" in written


def test_a_backbone_says_where_it_comes_from(tmp_path):
    runner = runner_of(tmp_path)
    data_report.report_backbone(runner, model_of(pretrained='vit.pth'))
    assert runner.logger == [('info', 'Backbone Linear: 2 tensors from vit.pth')]
    runner._load_from = 'file.pth'  # whose keys are compared with the model
    data_report.report_backbone(runner, model_of())
    assert len(runner.logger) == 1


def test_unknown_labels_are_refused_before_they_are_read(tmp_path):
    folder = draw(tmp_path / 'set')
    (folder / 'splits' / 'val.txt').write_text('a cat\nb\n')
    data = build(folder, split='val', test_mode=True)
    runner = runner_of(tmp_path, test=data)
    with pytest.raises(UserError, match='1 of 2 pictures of the test data set'):
        data_report.refuse_unknown_labels(
            runner, model_of(test_cfg=dict(cam_filter='gt'))
        )
    data_report.refuse_unknown_labels(
        runner, model_of(test_cfg=dict(cam_filter='pred'))
    )
    (folder / 'splits' / 'val.txt').write_text('a cat\nb background\n')
    runner = runner_of(tmp_path, test=build(folder, split='val', test_mode=True))
    data_report.refuse_unknown_labels(runner, model_of(test_cfg=dict(cam_filter='gt')))


def test_a_test_on_training_pictures(tmp_path):
    folder = draw(tmp_path / 'set')
    data = build(folder, split='val', test_mode=True, indices=3)
    runner = runner_of(tmp_path, test=data)
    runner.cfg = dict(
        train_dataloader=dict(
            dataset=dict(type='ShapesDataset', data_root=str(folder), pipeline=[1])
        )
    )
    data_report.report_test(runner)
    assert '3 pictures' in runner.logger[0][1]
    assert '3 of 3 test pictures are training pictures' in runner.logger[1][1]


@pytest.mark.parametrize(
    ('shares', 'told'),
    [((0, 0, 0, 0, 0), 5), ((0.2, 0, 0, 0, 0), 3), ((0, 0, 0, 0, 0.1), 0)],
)
def test_labels_that_collapsed_up_to_the_end(shares, told):
    hook = LabelStatsHook(interval=2, max_warnings=0)
    runner = SimpleNamespace(
        logger=Log(), iter=0, message_hub=SimpleNamespace(update_scalar=lambda *a: None)
    )
    for runner.iter, share in enumerate(shares):
        outputs = dict(label_fg=share, label_bg=1 - share, label_ignore=0.0)
        outputs = {key: torch.tensor(float(value)) for key, value in outputs.items()}
        hook.after_train_iter(runner, runner.iter, outputs=outputs)
    hook.after_train(runner)
    texts = [text for _, text in runner.logger]
    assert len(texts) == bool(told)
    assert not told or f'last {told} iterations held no foreground' in texts[0]
