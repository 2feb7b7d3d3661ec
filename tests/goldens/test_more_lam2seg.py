# Licensed under Apache-2.0.
"""MoRe's published segmentation: its map, of the classes that the network finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmseg.structures import SegDataSample

from mmwsss.models.prediction.old_settings import merged_test_cfg
from mmwsss.structures import Features
from tests.goldens.more_model import below, cases, close, equal
from tests.goldens.test_more_cam import bare_more

CONFIG = 'configs/more/more_vit-b_voc_lam.py'


def protocol(tool: str) -> dict:
    """The settings of the validation's or the test tool's rule."""
    cfg = Config.fromfile(CONFIG)
    settings = cfg.model.test_cfg.to_dict()
    if tool == 'test':
        settings = merged_test_cfg(settings, cfg.tta_cfg.to_dict())
    return settings


@pytest.mark.parametrize('tool', ['val', 'test'])
def test_segmentation(golden, tool: str, monkeypatch) -> None:
    data = golden('more_lam2seg')
    names = cases(data)
    assert names
    for name in names:
        check(below(data, f'{name}/'), tool, monkeypatch)


def check(one: dict[str, np.ndarray], tool: str, monkeypatch) -> None:
    tokens, fmap = (torch.from_numpy(one[k]) for k in ('tokens', 'fmap'))
    model = bare_more(tokens.shape[1], tokens.shape[2])
    monkeypatch.setattr(model, 'encode', lambda images: Features((fmap, fmap), tokens))
    scores, shown = torch.from_numpy(one['cls']), torch.from_numpy(one['seg_argmax'])
    monkeypatch.setattr(model, 'image_scores', lambda features: scores)
    logits = F.one_hot(shown.long(), model.num_classes).permute(0, 3, 1, 2).float()
    monkeypatch.setattr(model, 'seg_logits', lambda features: logits)
    settings = protocol(tool)
    settings['lam']['scales'] = (1.0,)  # of the file
    settings['seg']['labeler'] = dict(  # the file's label is that before the CRF
        type='ThresholdLabeler', bkg_thr=float(one['bkg'])
    )
    size = tuple(one['hw'].tolist())
    sample = SegDataSample(metainfo=dict(ori_shape=size))
    (found,) = model.predict(
        torch.zeros(1, 3, *size),
        [sample],
        **settings | dict(outputs=('seg', 'class_maps')),
    )
    stored = found.class_maps[1]
    assert (stored.ids - 1).tolist() == one[f'{tool}/keys'].tolist()
    if tool == 'val':
        close(stored.maps, one['lams'])
    equal(found.pred_sem_seg.data[0], one[f'{tool}/label'])
