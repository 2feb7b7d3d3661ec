# Licensed under Apache-2.0.
"""VOC Animals and the real weights of DeiT-Ti, where ``$MMWSSS_VOC_ANIMALS`` and
``$MMWSSS_WEIGHTS`` name them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.datasets.voc_animals import SPLITS, VOCAnimalsDataset
from mmwsss.io.weight_files import stored_weights
from mmwsss.registry import MODELS
from mmwsss.testing import load_config, train
from tests.helpers.short_runs import losses, scores
from tests.helpers.voc_animals import PHOTOS, WEIGHTS, folder_of

TOCO = 'configs/toco/toco_deit-t_animals.py'


@pytest.fixture
def photos() -> Path:
    return folder_of(PHOTOS, 'VOC Animals')


@pytest.fixture
def weights() -> Path:
    return folder_of(WEIGHTS, 'weights')


@pytest.mark.parametrize(('split', 'count'), [('train', 2651), ('val', 200)])
def test_data_set(photos: Path, split: str, count: int) -> None:
    """All photos and masks are there, the lists are those that mmwsss ships."""
    data = VOCAnimalsDataset(split=split, data_root=str(photos), with_masks=True)
    assert len(data) == count
    assert (photos / f'{split}.txt').read_text() == (
        SPLITS / f'{split}.txt'
    ).read_text()
    info = data.get_data_info(0)
    with (
        Image.open(info['img_path']) as photo,
        Image.open(info['seg_map_path']) as mask,
    ):
        assert max(photo.size) == 320 and mask.size == photo.size
        ids = set(np.unique(np.asarray(mask)).tolist())
    assert ids <= {*range(7), 255}


def test_a_missing_photo_is_named(photos: Path, tmp_path: Path) -> None:
    (tmp_path / 'images').mkdir()
    (tmp_path / 'masks').symlink_to(photos / 'masks')
    for photo in (photos / 'images').iterdir():
        if photo.stem != '2007_000504':
            (tmp_path / 'images' / photo.name).symlink_to(photo)
    with pytest.raises(ValueError, match='2007_000504.jpg.*missing'):
        VOCAnimalsDataset(data_root=str(tmp_path))


def test_weights_of_deit(weights: Path) -> None:
    """Every tensor of the encoder is the file's."""
    cfg = load_config(TOCO).model.backbone
    file = stored_weights(cfg.pretrained)
    assert file is not None and file.is_relative_to(weights)
    encoder = MODELS.build(cfg)
    encoder.init_weights()
    state = torch.load(file, weights_only=True)['model']
    assert torch.equal(encoder.cls_token, state['cls_token'])
    last = encoder.layers[11].attn.qkv.weight
    assert torch.equal(last, state['blocks.11.attn.qkv.weight'])


def test_a_short_training(photos: Path, weights: Path, tmp_path: Path) -> None:
    done = train(
        TOCO,
        tmp_path,
        options={
            'train_cfg.max_iters': 4,
            'train_cfg.val_interval': 4,
            'param_scheduler.0.warmup_iters': 1,
            'model.train_cfg.weights.seg': 0.1,
            'default_hooks.logger.interval': 1,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'val_dataloader.dataset.indices': 3,
        },
    )
    log = done.stdout + done.stderr
    steps = losses(log)
    assert len(steps) == 4 and 'loss_seg' in steps[3]
    assert np.isfinite([v for step in steps for v in step.values()]).all()
    assert 0 <= scores(log)['seg_mIoU'] <= 100
