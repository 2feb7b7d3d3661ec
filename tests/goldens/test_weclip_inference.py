# Licensed under Apache-2.0.
"""WeCLIP's final tests: sizes, how scaled pictures are read, fusion."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.ops.crf_presets import DENSE_CRF_PRESETS
from mmwsss.structures import Features
from tests.goldens.toco_model import close

CONFIGS = ('weclip_vit-b_voc', 'weclip_vit-b_coco')


def predicted(data, monkeypatch, tta) -> tuple[SegDataSample, list[Tensor]]:
    """A whole prediction under a protocol, with the file's logits; what was encoded."""
    model = WeakSegmentor(
        num_classes=int(data['num_classes']),
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        backbone=dict(
            type='WSSSViT',
            arch=dict(embed_dims=4, num_layers=1, num_heads=2, feedforward_channels=8),
            out_indices=(0,),
        ),
        cam_head=dict(type='CAMHead'),
        decode_head=dict(type='LargeFOVHead', channels=4),
        test_cfg=tta,
    ).eval()
    given: list[Tensor] = []

    def encode(images: Tensor) -> Features:
        number = 2 * len(given) + torch.arange(len(images))
        given.append(images)
        return Features((number.view(-1, 1, 1, 1).expand(-1, 4, 1, 1).float(),))

    def seg_logits(features: Features) -> Tensor:
        number = int(features.maps[-1].mean())
        return torch.from_numpy(data[f'raw_{number // 2}'])[number % 2][None]

    monkeypatch.setattr(model, 'encode', encode)
    monkeypatch.setattr(model, 'seg_logits', seg_logits)
    size = tuple(data['label_hw'].tolist())
    sample = SegDataSample(metainfo=dict(ori_shape=size, img_path='a.jpg'))
    (found,) = model.predict(torch.from_numpy(data['image'])[None], [sample])
    return found, given


@pytest.mark.parametrize('config', CONFIGS)
def test_protocol_of_the_config(golden, monkeypatch, config: str) -> None:
    data = golden('weclip_inference')
    tta = Config.fromfile(f'configs/weclip/{config}.py').tta_cfg.to_dict()
    assert tta['input']['long_side'] == 512
    assert list(tta['seg']['scales']) == data['scales'].tolist()
    tta['input']['long_side'] = int(data['resize_long'])
    found, given = predicted(data, monkeypatch, tta)
    sizes = [list(images.shape[-2:]) for images in given]
    assert sizes == data['call_hw'].tolist()
    for i, images in enumerate(given):
        close(images[:1], data[f'input_{i}'])
        close(images[1:].flip(-1), data[f'input_{i}'])
    expected = nn.functional.interpolate(
        torch.from_numpy(data['fused_logits']),
        tuple(data['label_hw'].tolist()),
        mode='bilinear',
    )
    close(found.seg_logits.data[None], expected.numpy())
    label = found.pred_sem_seg.data[0].numpy()
    sure = data['fused_unsure'] == 0
    np.testing.assert_array_equal(label[sure], data['fused_label'][sure])


def test_a_single_scale(golden, monkeypatch) -> None:
    data = golden('weclip_inference')
    tta = Config.fromfile(f'configs/weclip/{CONFIGS[0]}.py').tta_cfg.to_dict()
    tta['input']['long_side'] = int(data['resize_long'])
    tta['seg'] |= dict(scales=(1.0,), mirror=False)
    found, _ = predicted(data, monkeypatch, tta)
    np.testing.assert_array_equal(
        found.pred_sem_seg.data[0].numpy(), data['single_label']
    )


def test_preset_of_the_dense_crf(golden) -> None:
    data = golden('weclip_inference')
    preset = DENSE_CRF_PRESETS['afa']
    assert {name: data[f'crf_{name}'].item() for name in preset} == dict(preset)
