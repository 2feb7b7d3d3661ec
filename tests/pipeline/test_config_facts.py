# Licensed under Apache-2.0.
"""What a config is in the words of the zoo, for configs of each kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from mmwsss.io.initial_weights import Backbone
from mmwsss.pipeline.config_facts import (
    config_facts,
    crop_size,
    pretraining,
    protocol,
    supervision,
    training_data,
)

NET = Backbone('one', 'https://x.org/a-12345678.pth', 'ViT', 'pictures')
FILE = Backbone('two', 'https://x.org/b.params?dl=1', 'R', 'pictures', place='data/p')
KNOWN = {net.name: net for net in (NET, FILE)}


@pytest.mark.parametrize(
    ('dataset', 'has_base', 'said'),
    [
        (dict(), False, 'image labels'),
        (dict(with_masks=True), False, 'masks'),
        (dict(side_inputs=dict(mask=dict(dir='m'))), False, 'pseudo masks'),
        (dict(side_inputs=dict(saliency=dict())), False, 'image labels, saliency maps'),
        (dict(side_inputs=dict(saliency=None)), False, 'image labels'),
        # a network that was trained with them goes on
        (dict(side_inputs=dict(saliency=None)), True, 'image labels, saliency maps'),
        (
            dict(side_inputs=dict(partial=dict())),
            False,
            'image labels, known pixels of some pictures',
        ),
    ],
)
def test_supervision(dataset: dict, has_base: bool, said: str) -> None:
    assert supervision(dataset, has_base) == said


@pytest.mark.parametrize(
    ('backbone', 'said'),
    [
        (dict(pretrained=None), 'none'),
        (dict(pretrained='demo/weights/vit-t_shapes.pth'), 'vit-t_shapes'),
        (dict(pretrained=NET.url), 'one'),
        (dict(init_cfg=dict(type='Pretrained', checkpoint=NET.url)), 'one'),
        (dict(pretrained='elsewhere/b.params'), 'two'),
        (dict(pretrained='https://y.org/b.params'), 'https://y.org/b.params'),
        (dict(pretrained='my/own.pth'), 'my/own.pth'),
    ],
)
def test_pretraining(backbone: dict, said: str) -> None:
    inner = dict(type='X', backbone=dict(type='V', **backbone))
    for model in (inner, dict(type='Wrapper', segmentor=inner)):
        assert pretraining(Config(dict(model=model)), KNOWN) == said


@pytest.mark.parametrize(
    ('pipeline', 'side'),
    [
        ([dict(type='Views', crop_size=96)], 96),
        ([dict(type='Views', local=dict(crop_size=32)), dict(crop_size=(64, 96))], 96),
        ([dict(views=[[dict(type='Area', size=224)]])], 224),
        ([dict(type='Load')], None),
    ],
)
def test_crop_size(pipeline: list, side: int | None) -> None:
    assert crop_size(pipeline) == side


def test_a_data_set_that_is_not_known_has_its_types_name() -> None:
    assert training_data(dict(type='MyDataset')) == 'MyDataset'


def test_protocol() -> None:
    test = dict(outputs=('seg', 'cam'), cam_filter='gt', input=dict(squash=(448, 448)))
    test['cam'] = dict(scales=(1.0, 0.5))
    loader = dict(dataset=dict(split='train'))
    cfg = Config(
        dict(
            model=dict(test_cfg=test),
            test_dataloader=loader,
            test_evaluator=dict(type='WSSSMetric', bkg_thr=0.45),
        )
    )
    assert protocol(cfg) == (
        "train, 448 x 448, CAM of the image's labels, scales 1/0.5, threshold 0.45"
    )
    cfg.model.test_cfg = dict(outputs=('cam',), cam_filter='pred')
    cfg.test_evaluator = [dict(type='WSSSMetric')]
    assert protocol(cfg) == (
        'train, native size, CAM of all classes, scales 1, threshold 0.5'
    )
    cfg.test_evaluator = None
    assert protocol(cfg) is None


def test_a_pipeline_is_what_its_stages_are(tmp_path: Path) -> None:
    net = (
        'num_classes = 3\nmodel = dict(backbone=dict(pretrained=None))\n'
        'train_cfg = dict(max_iters=5)\ntest_evaluator = dict()\n'
        'test_dataloader = dict(dataset=dict(split="test"))\n'
        'train_dataloader = dict(batch_size=2, dataset=dict(type="ShapesDataset",'
        ' pipeline=[dict(crop_size=8)]{}))\n'
    )
    (tmp_path / 'first.py').write_text(net.format(''))
    (tmp_path / 'last.py').write_text(net.format(', side_inputs=dict(mask=dict())'))
    (tmp_path / 'all.py').write_text(
        'stages = [dict(type="train", config="first.py"),'
        ' dict(type="generate", config="first.py"),'
        ' dict(type="train", config="last.py"), dict(type="test", config="last.py")]'
    )
    assert config_facts(tmp_path / 'all.py', tmp_path, {}) == {
        'Supervision': 'image labels',
        'Training Data': 'Shapes',
        'Class Count': 3,
        'Protocol': 'test, native size',
    }
    assert config_facts(tmp_path / 'last.py', tmp_path, {}) == {
        'Supervision': 'pseudo masks',
        'Pretraining': 'none',
        'Training Data': 'Shapes',
        'Class Count': 3,
        'Crop Size': 8,
        'Batch Size': 2,
        'Iterations': 5,
        'Protocol': 'test, native size',
    }
