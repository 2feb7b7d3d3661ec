# Licensed under Apache-2.0.
"""mmseg's own models through the command line."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from mmwsss.registry import MODELS
from mmwsss.testing import run_tool as run

#: as mmseg's configs are written: its data set, its metric, BGR, a top-level
#: data_preprocessor that the runner hands to the model
STOCK = """
default_scope = 'mmseg'
data_preprocessor = dict(
    type='SegDataPreProcessor', mean=[123.675, 116.28, 103.53], bgr_to_rgb=True,
    std=[58.395, 57.12, 57.375], pad_val=0, seg_pad_val=255, size=(64, 64),
    test_cfg=dict(size_divisor=32))
model = dict(
    type='EncoderDecoder', train_cfg=dict(), test_cfg=dict(mode='whole'),
    backbone=dict(
        type='ResNetV1c', depth=18, base_channels=4, norm_cfg=dict(type='SyncBN')),
    decode_head=dict(
        type='FCNHead', in_channels=32, channels=8, num_convs=1, num_classes=7,
        norm_cfg=dict(type='SyncBN')))
test_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset', data_root={data!r}, img_suffix='.jpg',
        metainfo=dict(classes=tuple('abcdefg')), ann_file='names.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        pipeline=[
            dict(type='LoadImageFromFile'), dict(type='Resize', scale=(80, 80)),
            dict(type='LoadAnnotations'), dict(type='PackSegInputs')]))
test_evaluator = dict(type='IoUMetric', output_dir={out!r})
test_cfg = dict(type='TestLoop')
"""


def test_post_processor_of_a_stock_config(shapes, tmp_path) -> None:
    data, config = tmp_path / 'data', tmp_path / 'fcn.py'
    data.mkdir()
    for folder in ('JPEGImages', 'SegmentationClass'):
        (data / folder).symlink_to(shapes / folder)
    (data / 'names.txt').write_text(
        ''.join(f'{p.stem}\n' for p in sorted((shapes / 'JPEGImages').glob('test*')))
    )
    masks = {}
    for kind in ('plain', 'crf'):
        config.write_text(STOCK.format(data=str(data), out=str(tmp_path / kind)))
        if kind == 'plain':
            init_default_scope('mmseg')
            torch.manual_seed(0)
            cfg = Config.fromfile(config).model
            cfg.backbone.norm_cfg = cfg.decode_head.norm_cfg = dict(type='BN')
            model = MODELS.build(cfg)
            init_default_scope('mmwsss')
            torch.nn.init.normal_(model.decode_head.conv_seg.weight)
            torch.save(dict(state_dict=model.state_dict()), tmp_path / 'fcn.pth')
        refine = ['--post-processor', 'crf:psa'] if kind == 'crf' else []
        log = run(
            'tools/test.py',
            config,
            tmp_path / 'fcn.pth',
            '--work-dir',
            tmp_path / 'test',
            *refine,
        )
        assert 'mIoU' in log and 'do not match exactly' not in log
        masks[kind] = [
            np.asarray(Image.open(p)) for p in sorted((tmp_path / kind).glob('*.png'))
        ]
    assert len(masks['crf']) == 6 and masks['crf'][0].shape == (96, 96)
    assert any((a != b).any() for a, b in zip(*masks.values(), strict=True))
