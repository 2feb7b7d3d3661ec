# Licensed under Apache-2.0.
"""The numbers of DeepLab-v2 on pseudo masks are those that were published."""

from __future__ import annotations

import pytest

from tests.helpers.published import check_numbers

DEEPLAB_V2 = {
    'model.backbone.depth': 101,
    'model.decode_head.dilations': (6, 12, 18, 24),
    'model.data_preprocessor.mean': [104.008, 116.669, 122.675],
    'model.data_preprocessor.std': [1.0, 1.0, 1.0],
    'model.train_cfg.scales': (1.0, 0.5, 0.75),
    'model.test_cfg': dict(scales=(1.0, 0.5, 0.75), flip=False, fuse='max'),
    'param_scheduler.0.hold': 10,
    'train_cfg.max_iters': 20000,
    'train_dataloader.batch_size': 5,
    'train_dataloader.dataset.pipeline.2.factors': (0.5, 0.75, 1.0, 1.25, 1.5),
    'train_dataloader.dataset.pipeline.3': dict(
        type='PILPadCrop', crop_size=321, random_pad=False
    ),
}


@pytest.mark.parametrize(
    'name,published',
    [('pseudo/deeplabv2_r101_voc-pseudo', DEEPLAB_V2)],
)
def test_numbers_of_stages(name: str, published: dict) -> None:
    check_numbers(name, published)
