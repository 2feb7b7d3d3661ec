# Licensed under Apache-2.0.
"""Which parts only training reads: tried, for every method."""

from __future__ import annotations

import pytest
import torch

from mmwsss.io.published import published_checkpoint
from mmwsss.pipeline.unread_parts import predictions, unread_parts
from mmwsss.testing import build


@pytest.mark.parametrize(
    ('config', 'parts'),
    [
        ('cam/cam_vit-t_shapes', ()),
        ('toco/toco_vit-t_shapes', ('proj_head', 'proj_head_ema')),
        ('eps/eps_wr38-t_shapes', ()),
        ('smaf/smaf_toco_vit-t_shapes', ('proj_head', 'proj_head_ema')),
        ('pseudo/deeplabv3_vit-t_shapes-pseudo', ()),
    ],
)
def test_parts(config: str, parts: tuple[str, ...]) -> None:
    model = build(f'configs/{config}.py')
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert unread_parts(model) == parts
    after = model.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert model.training


def test_a_teacher_that_predicts_stays() -> None:
    model = build('configs/fsr/fsr_vit-t_shapes.py')
    model.test_cfg = {**model.test_cfg, 'use_teacher': False}
    unread = set(unread_parts(model))
    averages = {f'{part}_ema' for part in model.averaged.parts}
    assert 'backbone_ema' in unread and 'backbone' not in unread
    model.test_cfg = {**model.test_cfg, 'use_teacher': True}
    kept = averages - set(unread_parts(model))
    assert 'backbone_ema' in kept


def test_predictions_without_these_parts_are_the_same() -> None:
    config = 'configs/toco/toco_vit-t_shapes.py'
    model = build(config).eval()
    made = published_checkpoint(dict(state_dict=model.state_dict()), ['proj_head'])
    for value in made['state_dict'].values():
        assert value.dtype == torch.float16
    other = build(config, seed=1).eval()
    other.load_state_dict(made['state_dict'], strict=False)
    model.load_state_dict(made['state_dict'], strict=False)  # rounded, too
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        pairs = zip(predictions(model, images), predictions(other, images), strict=True)
        assert all(torch.equal(one, two) for one, two in pairs)
