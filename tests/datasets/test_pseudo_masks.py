"""Data sets with pseudo masks to train on, and the segmenters that read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from PIL import Image

from mmwsss.cli.launch import replace_sync_bn
from mmwsss.io.data_errors import DataError, MaskError
from mmwsss.registry import DATASETS, MODELS

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
PSEUDO = sorted((CONFIGS / 'pseudo').glob('*.py'))
NAMES = ('a', 'b', 'c')


@pytest.fixture
def data(tmp_path) -> Path:
    """Three pictures with true masks of class 1; the list is that of training."""
    for folder in ('JPEGImages', 'SegmentationClass', 'splits', 'pseudo'):
        (tmp_path / folder).mkdir()
    for i, name in enumerate(NAMES):
        pixels = np.random.RandomState(i).randint(0, 255, (96, 96, 3), np.uint8)
        pixels[..., 0] = 250  # red, to tell the order of the channels
        Image.fromarray(pixels).save(tmp_path / f'JPEGImages/{name}.jpg', quality=98)
        save(tmp_path / f'SegmentationClass/{name}.png', 1)
        save(tmp_path / f'pseudo/{name}.png', 2)
    lines = ''.join(f'{n} stripes dots\n' for n in NAMES)
    (tmp_path / 'splits/train.txt').write_text(lines)
    return tmp_path


def save(path: Path, value: int, size: int = 96) -> None:
    mask = np.full((size, size), value, np.uint8)
    mask[:10] = 255
    Image.fromarray(mask).save(path)


def masks_in(folder: Path | str) -> dict:
    return dict(mask=dict(dir=str(folder), root='.', kind='ids'))


def dataset(data: Path, **settings):
    init_default_scope('mmwsss')
    cfg = Config.fromfile(CONFIGS / '_base_/datasets/shapes_96_pseudo.py')
    return DATASETS.build(
        {
            **cfg.train_dataloader.dataset,
            'data_root': str(data),
            'side_inputs': masks_in(data / 'pseudo'),
            **settings,
        }
    )


def test_training_reads_the_pseudo_masks(data, monkeypatch):
    monkeypatch.chdir(data)  # root='.' is the working directory
    items = dataset(data, side_inputs=masks_in('pseudo'))
    assert len(items) == 3
    item = items[0, 5]
    found = set(item['data_samples'].gt_sem_seg.data.unique().tolist())
    assert found <= {2, 255} and 2 in found
    assert item['inputs'].shape == (3, *item['data_samples'].gt_sem_seg.shape)
    again = items[0, 5]
    assert torch.equal(item['inputs'], again['inputs'])  # augmented from the seed alone
    assert not all(torch.equal(items[0, s]['inputs'], item['inputs']) for s in range(4))


def test_the_test_pipeline_is_bgr_and_true(data):
    cfg = Config.fromfile(CONFIGS / '_base_/datasets/shapes_96_pseudo.py')
    items = dataset(data, side_inputs=None, test_mode=True, pipeline=cfg.test_pipeline)
    item = items[0]
    assert item['inputs'].float().mean((1, 2)).argmax() == 2
    assert item['data_samples'].gt_sem_seg.data.unique().tolist() == [1, 255]


def test_missing_masks_are_counted_before_training(data):
    for name in NAMES[1:]:
        (data / f'pseudo/{name}.png').unlink()
    with pytest.raises(
        DataError,
        match=r'pseudo/b.png is not there: 2 of 3 mask files are '
        r'missing. Fix: check side_inputs.mask.dir.*generate_pseudo_labels',
    ):
        dataset(data)
    assert len(dataset(data, indices=1)) == 1  # only those that are asked for
    assert len(dataset(data, indices=[0])) == 1
    with pytest.raises(DataError, match=r'c.png is not there: 1 of 1 mask files is'):
        dataset(data, indices=-1)
    with pytest.raises(DataError, match=r'none/a.png is not there: 3 of 3'):
        dataset(data, side_inputs=masks_in(data / 'none'))


@pytest.mark.parametrize(
    'value,size,message',
    [(7, 96, r'holds the ids \[7\], outside 0..6'), (1, 95, 'is 95x95 but its image')],
)
def test_masks_that_do_not_fit_are_refused(data, value, size, message):
    save(data / 'pseudo/a.png', value, size)
    with pytest.raises(MaskError, match=message):
        dataset(data)


def test_contradiction(data):
    with pytest.raises(ValueError, match='side_inputs.mask.*contradict'):
        dataset(data, with_masks=False)


def pads(cfg: Config) -> bool:
    """Whether crops are padded to one size; mmwsss's own preprocessor does not."""
    return cfg.model.data_preprocessor.type != 'WeakDataPreProcessor'


def small(cfg: Config) -> None:
    """Without downloads, and padded to a size that is quick."""
    if 'WSSSViT' in cfg.model.backbone.type:
        cfg.model.backbone.pretrained = None
    else:
        cfg.model.pretrained = cfg.model.backbone.init_cfg = None
    if pads(cfg):
        cfg.model.data_preprocessor.size = (96, 96)


@pytest.mark.parametrize(  # DeepLab-v2 is ours: tests/models/test_deeplab.py
    'file', [f for f in PSEUDO if 'deeplabv2' not in f.stem], ids=lambda f: f.stem
)
def test_a_stock_segmenter_takes_a_step(file, data):
    """Gradients everywhere; ignored pixels weigh nothing, also where all are."""
    init_default_scope('mmwsss')
    torch.manual_seed(0)
    cfg = Config.fromfile(file)
    assert cfg.model.decode_head.num_classes == cfg.num_classes
    if pads(cfg):
        assert tuple(cfg.model.data_preprocessor.size) == tuple(cfg.crop_size)
    if 'shapes' not in file.stem:
        small(cfg)
    replace_sync_bn(cfg.model)
    model = MODELS.build(cfg.model)
    model.init_weights()
    items = dataset(data)
    batch = pseudo_collate([items[i, i] for i in range(2)])
    inputs = model.data_preprocessor(batch, training=True)
    assert inputs['inputs'].shape == (2, 3, 96, 96)
    losses = model.loss(**inputs)
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total) and total > 0
    lacking = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and p.grad is None
    ]
    assert not lacking
    for sample in inputs['data_samples']:
        sample.gt_sem_seg.data.fill_(255)
    total, _ = model.parse_losses(model.loss(**inputs))
    assert total == 0
