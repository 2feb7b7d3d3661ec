# Licensed under Apache-2.0.
"""Batching and normalising of views."""

from __future__ import annotations

import pytest
import torch
from mmseg.structures import SegDataSample

from mmwsss.models.data_preprocessor import WeakDataPreProcessor, zero_outside
from mmwsss.registry import MODELS


def image(height=8, width=6):
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8)


def sample(box=(0, 8, 0, 6)):
    out = SegDataSample()
    out.gt_score = torch.ones(2)
    out.valid_box = torch.tensor(box)
    return out


def test_views_become_batches():
    prep = MODELS.build(dict(type='WeakDataPreProcessor'))
    views = dict(view1=[image(), image()], local=[image(4, 4), image(4, 4)])
    out = prep(dict(inputs=views, data_samples=[sample(), sample()]), training=True)
    assert out['inputs']['view1'].shape == (2, 3, 8, 6)
    assert out['inputs']['local'].dtype == torch.float32
    expected = (
        views['view1'][1].float()
        - torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    ) / torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    torch.testing.assert_close(out['inputs']['view1'][1], expected)
    assert prep.mean.shape == prep.std.shape == (3, 1, 1)
    assert not prep.state_dict()


def test_denormalise_gives_the_bytes_back():
    prep = WeakDataPreProcessor()
    images = image(16, 16)[None]
    back = prep.denormalise(prep.normalise(images))
    assert torch.equal(back.round().to(torch.uint8), images)


def test_sizes():
    prep = WeakDataPreProcessor()
    out = prep(dict(inputs=[image(), image(5, 5)], data_samples=None))['inputs']
    assert [tuple(item.shape) for item in out] == [(3, 8, 6), (3, 5, 5)]
    assert prep(dict(inputs=[image(), image()]))['inputs'].shape == (2, 3, 8, 6)
    with pytest.raises(ValueError, match="'img' in one batch differ in size"):
        prep(dict(inputs=[image(), image(5, 5)]), training=True)


def test_padding_after_normalising():
    prep = WeakDataPreProcessor(zero_padding=('view1',))
    data = dict(
        inputs=dict(view1=[image(), image()], view2=[image(), image()]),
        data_samples=[sample((2, 5, 1, 6)), sample()],
    )
    out = prep(data, training=True)['inputs']
    plain = WeakDataPreProcessor()(data, training=True)['inputs']
    assert torch.equal(out['view1'][0, :, 2:5, 1:6], plain['view1'][0, :, 2:5, 1:6])
    assert out['view1'][0].count_nonzero() <= 3 * 15
    assert torch.equal(out['view1'][1], plain['view1'][1])
    assert torch.equal(out['view2'], plain['view2'])
    boxes = torch.tensor([[0, 2, 0, 1]])
    assert zero_outside(torch.ones(1, 1, 3, 3), boxes).sum() == 2


def test_bad_input():
    with pytest.raises(ValueError, match='one number a band'):
        WeakDataPreProcessor(mean=(0.5,))
    with pytest.raises(ValueError, match='std positive'):
        WeakDataPreProcessor(std=(1, 0, 1))
