# Licensed under Apache-2.0.
"""The data set files of ``configs/_base_``."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from mmwsss.registry import DATA_SAMPLERS, DATASETS

FOLDER = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'datasets'


@pytest.mark.parametrize('file', sorted(FOLDER.glob('*.py')), ids=lambda f: f.stem)
def test_num_classes_is_that_of_the_data_set(file):
    cfg = Config.fromfile(file)
    for part in ('train', 'val', 'test'):
        loader = cfg[f'{part}_dataloader']
        dataset = DATASETS.build({**loader.dataset, 'lazy_init': True})
        assert dataset.num_classes == cfg.num_classes
        pseudo = part == 'train' and 'pseudo' in file.stem
        assert dataset.with_masks == (part != 'train' or pseudo)
        # training sees no true mask, under whatever name
        declared = loader.dataset.get('side_inputs', {})
        assert ('mask' in declared) == pseudo
        assert DATA_SAMPLERS.get(loader.sampler.type) is not None
        names = [item['type'] for item in loader.dataset.pipeline]
        assert ('LoadMask' in names) == (part != 'train')
        assert ('LoadSideInputs' in names) == bool(declared)


def test_coco_validates_on_the_first_5000():
    cfg = Config.fromfile(FOLDER / 'coco14_448.py')
    assert cfg.val_dataloader.dataset.indices == 5000
    assert 'indices' not in cfg.test_dataloader.dataset
