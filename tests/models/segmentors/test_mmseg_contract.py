# Licensed under Apache-2.0.
"""mmseg's own tools around our networks: test-time augmentation, visualizer, types."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import PretrainedInit
from mmengine.registry import init_default_scope
from mmseg.models import SegTTAModel
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer

from mmwsss.cli.inference_options import save_masks, show_panels
from mmwsss.cli.launch import replace_sync_bn
from mmwsss.datasets.voc12 import VOC12WeakDataset
from mmwsss.engine.hooks.cam_panel_hook import CAMPanelHook
from mmwsss.evaluation.wsss_metric import WSSSMetric
from mmwsss.models.prediction.old_settings import backbone_cfg
from mmwsss.pipeline.inference import dataset_meta
from mmwsss.pipeline.label_options import build_labeler
from mmwsss.registry import LABELERS, MODELS
from mmwsss.testing import load_config

CONFIG = 'configs/cam/cam_vit-t_shapes_seg.py'
SIZE = (64, 80)
FIELDS = ('pred_sem_seg', 'seg_logits', 'pred_prob', 'pred_pseudo')


def network() -> ConfigDict:
    init_default_scope('mmwsss')
    cfg = load_config(CONFIG).model
    cfg.backbone.pretrained = None
    cfg.test_cfg = dict(
        outputs=('seg', 'prob', 'cam', 'pseudo', 'class_maps'), cam_filter='gt'
    )
    return cfg


def wrapped(kind: str) -> dict:
    cfg = network()
    return dict(
        plain=cfg,
        SMAF=dict(
            type='MultiScaleSelfTraining',
            segmentor=cfg,
            losses=dict(mac=dict(type='AttentionConsistency', kind='relu')),
            train_cfg=dict(weights=dict(cls=1.0, mac=1.0)),
        ),
        PostProcessed=dict(
            type='PostProcessed', segmentor=cfg, post_processor=dict(type='PAR')
        ),
    )[kind]


def view(picture: torch.Tensor, direction: str | None = None) -> dict:
    """A batch of one, mirrored as mmseg's transforms do and say."""
    axes = dict(horizontal=[-1], vertical=[-2], diagonal=[-2, -1]).get(direction, [])
    meta = dict(
        img_path='x.jpg',
        ori_shape=SIZE,
        img_shape=SIZE,
        gt_labels=(0, 1),
        flip=direction is not None,
        flip_direction=direction,
    )
    return dict(
        inputs=[torch.flip(picture, axes)], data_samples=[SegDataSample(metainfo=meta)]
    )


@pytest.fixture
def picture() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8)


@pytest.mark.parametrize('kind', ['plain', 'SMAF', 'PostProcessed'])
def test_mmsegs_test_time_augmentation(picture, kind) -> None:
    """The mean of the softmax of both views, each as the picture lies."""
    module = MODELS.build(wrapped(kind)).eval()
    assert module.out_channels == 7
    views = [view(picture), view(picture, 'horizontal')]
    alone = [module.test_step(one)[0].seg_logits.data.softmax(0) for one in views]
    tta = SegTTAModel(module=module).eval()
    both = {key: [one[key] for one in views] for key in ('inputs', 'data_samples')}
    (found,) = tta.test_step(both)
    expected = (sum(alone) / 2).argmax(0)
    assert torch.equal(found.pred_sem_seg.data.squeeze(), expected)


@pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal'])
def test_outputs_lie_as_the_picture_did(picture, direction) -> None:
    """What the network says of the mirrored picture, turned back."""
    model = MODELS.build(network()).eval()
    mirrored, told = view(picture, direction), view(picture, direction)
    mirrored['data_samples'][0].set_metainfo(dict(flip=False))
    (raw,), (found,) = model.test_step(mirrored), model.test_step(told)
    axes = dict(horizontal=[-1], vertical=[-2], diagonal=[-2, -1])[direction]
    for name in FIELDS:
        wanted = raw.get(name).data.flip(axes)
        assert torch.equal(found.get(name).data, wanted), name
    for part in ('score', 'label'):
        wanted = raw.pred_cam.get(part).flip(axes)
        assert torch.equal(found.pred_cam.get(part), wanted)
    for stride, stored in raw.class_maps.items():
        assert torch.equal(found.class_maps[stride].maps, stored.maps.flip(axes))
    assert torch.equal(found.pred_score, raw.pred_score)


def test_mmsegs_visualizer(picture, tmp_path) -> None:
    model = MODELS.build(network()).eval()
    (found,) = model.test_step(view(picture))
    visualizer = SegLocalVisualizer()
    visualizer.dataset_meta = dict(
        classes=list('0abcdef'), palette=[[i * 20] * 3 for i in range(7)]
    )
    visualizer.add_datasample(
        'x',
        np.zeros((*SIZE, 3), np.uint8),
        found,
        draw_gt=False,
        out_file=str(tmp_path / 'x.png'),
    )
    assert (tmp_path / 'x.png').stat().st_size


# ---------------------------------------------------------------- types as classes
def with_classes(node):
    """A config as Python-style ones are: the classes themselves, at every place."""
    if isinstance(node, dict):
        node = {key: with_classes(value) for key, value in node.items()}
        kind = node.get('type')
        if isinstance(kind, str):
            node['type'] = MODELS.get(kind) or LABELERS.get(kind)
    elif isinstance(node, (list, tuple)):
        node = type(node)(with_classes(item) for item in node)
    return node


def test_types_may_be_classes() -> None:
    cfg = with_classes(network().to_dict())
    assert not isinstance(cfg['backbone']['type'], str)
    assert type(MODELS.build(cfg)) is type(MODELS.build(network()))


def test_pretrained_by_class_is_understood_too() -> None:
    cfg = with_classes(network().to_dict())['backbone']
    init = dict(type=PretrainedInit, checkpoint='vit.pth')
    assert backbone_cfg(cfg | dict(init_cfg=init)) == cfg | dict(pretrained='vit.pth')


def test_tools_find_classes_too() -> None:
    cfg = Config(
        dict(
            test_dataloader=dict(dataset=dict(type=VOC12WeakDataset)),
            custom_hooks=[dict(type=CAMPanelHook)],
            test_evaluator=dict(type=WSSSMetric),
        )
    )
    assert dataset_meta(cfg)['classes'] == VOC12WeakDataset.METAINFO['classes']
    show_panels(cfg, 'pictures')
    assert [hook['show_dir'] for hook in cfg.custom_hooks] == ['pictures']
    save_masks(cfg, 'masks')
    assert cfg.test_evaluator.save_dir == 'masks'
    labeler = build_labeler(dict(type=LABELERS.get('ThresholdLabeler'), bkg_thr=0.4))
    assert labeler.bkg_thr == 0.4


def test_sync_bn_by_class() -> None:
    cfg = dict(norm_cfg=dict(type=torch.nn.SyncBatchNorm))
    replace_sync_bn(cfg)
    assert cfg == dict(norm_cfg=dict(type='BN'))
