# Licensed under Apache-2.0.
"""SeCo's final tests: sizes, fusion and score, as the full-size configs set them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.structures import SegDataSample

from mmwsss.cam import fuse_seg_logits
from mmwsss.evaluation.areas import areas_from_labels
from mmwsss.evaluation.scores import scores_from_areas
from mmwsss.methods.seco.seco import SeCo
from mmwsss.structures import Features
from tests.goldens.seco_model import below, close, equal, tensors

CONFIGS = dict(voc='seco_vit-b_voc', coco='seco_vit-b_coco')


@pytest.fixture(params=CONFIGS)
def case(request, golden):
    """A data set's arrays, and the test settings of its config."""
    data = tensors(below(golden('seco_infer'), f'{request.param}/'))
    cfg = Config.fromfile(f'configs/seco/{CONFIGS[request.param]}.py')
    return data, cfg.tta_cfg.to_dict()


def raw(data) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [data[f'raw{i}'].chunk(2) for i in range(len(data['scales']))]


def test_fusion(case) -> None:
    data, tta = case
    seg = tta['seg']
    assert seg['mirror'] and list(seg['scales']) == data['scales'].tolist()
    size = tuple(data['label'].shape[-2:])
    fused = fuse_seg_logits(raw(data), size, seg['pair'], seg['fuse'])
    close(fused, data['fused'].numpy())
    equal(fused.argmax(1), data['pred'].numpy())


def test_the_network_is_called_at_the_released_sizes(case, monkeypatch) -> None:
    """A whole prediction under the config's protocol, with the file's logits."""
    data, tta = case
    classes = data['fused'].shape[1]
    model = SeCo(
        num_classes=classes,
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        backbone=dict(type='WSSSViT', arch=dict(embed_dims=4, num_layers=2,
                      num_heads=2, feedforward_channels=8), out_indices=(0, 1)),
        cam_head=dict(type='CAMHead'),
        decode_head=dict(type='DeepLabV2Head'),
        test_cfg=tta,
    ).eval()  # fmt: skip
    calls: list[tuple[int, ...]] = []
    given = [one for pair in raw(data) for one in pair]

    def encode(images: torch.Tensor) -> Features:
        """A map that holds the number of the file's logits: image, then mirror."""
        number = 2 * len(calls) + torch.arange(len(images))
        calls.append(tuple(images.shape[-2:]))
        return Features((number.view(-1, 1, 1, 1).expand(-1, 4, 1, 1).float(),) * 2)

    monkeypatch.setattr(model, 'encode', encode)
    monkeypatch.setattr(
        model, 'seg_logits', lambda features: given[int(features.maps[-1].mean())]
    )
    size = tuple(data['label'].shape[-2:])
    sample = SegDataSample(metainfo=dict(ori_shape=size, img_path='a.jpg'))
    (found,) = model.predict(data['image'], [sample])
    released = [tuple(hw) for hw in data['call_hw'].tolist()]
    assert calls == released  # with their mirrors
    close(found.seg_logits.data[None], data['fused'].numpy())
    equal(found.pred_sem_seg.data, data['pred'].numpy())


def test_score(case) -> None:
    data, _ = case
    classes = data['fused'].shape[1]
    areas = areas_from_labels(data['label'].long(), data['pred'].long(), classes)
    miou = scores_from_areas(areas).miou
    np.testing.assert_allclose(miou, float(data['f64_miou']), rtol=1e-9)
