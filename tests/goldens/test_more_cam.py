# Licensed under Apache-2.0.
"""MoRe's localisation attention map over scales and mirrors, through a prediction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmseg.structures import SegDataSample

from mmwsss.methods.more.more import MoRe
from mmwsss.structures import Features
from tests.goldens.more_model import below, cases, close


def bare_more(classes: int, width: int, **settings) -> MoRe:
    """A network whose class tokens are as they come: what is stored went through GCR.

    Args:
        classes: foreground classes.
        width: of tokens and maps.
        **settings: of the model.
    """
    return MoRe(
        num_classes=classes + 1,
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        backbone=dict(
            type='TokenPerClassViT',
            arch=dict(
                embed_dims=width, num_layers=2, num_heads=1, feedforward_channels=8
            ),
            patch_size=8,
            out_indices=(0, 1),
        ),
        cam_head=dict(type='CAMHead'),
        decode_head=dict(type='LargeFOVHead', channels=4),
        **settings,
    ).eval()


def calls_of(one: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The calls of the network, in their order."""
    numbers = sorted({int(k[4 : k.index('/')]) for k in one if k.startswith('call')})
    assert numbers
    return [below(one, f'call{n}/') for n in numbers]


@pytest.fixture
def each(golden):
    data = golden('more_cam')
    return [below(data, f'{name}/') for name in cases(data)]


def test_map_over_scales(each, monkeypatch) -> None:
    assert each
    for one in each:
        check(one, monkeypatch)


def check(one: dict[str, np.ndarray], monkeypatch) -> None:
    calls, sizes = calls_of(one), []
    classes, width = one['call0/tokens'].shape[1:]
    model = bare_more(classes, width)

    def encode(images: torch.Tensor) -> Features:
        """The stored features of this call, images and mirrors."""
        call = calls[len(sizes)]
        sizes.append(tuple(images.shape[-2:]))
        fmap, tokens = (torch.from_numpy(call[k]) for k in ('fmap', 'tokens'))
        return Features((fmap, fmap), tokens)

    monkeypatch.setattr(model, 'encode', encode)
    size = tuple(one['image_hw'].tolist())
    batch = len(one['lam'])
    scales = tuple(round(float(s), 6) for s in one['scales'])
    samples = [SegDataSample(metainfo=dict(ori_shape=size)) for _ in range(batch)]
    found = model.predict(
        torch.zeros(batch, 3, *size),
        samples,
        outputs=('class_maps',),
        main_map='lam',
        cam_filter='none',
        lam=dict(scales=scales, mirror=True),
    )
    assert sizes == [tuple(call['hw'].tolist()) for call in calls]
    close(torch.stack([sample.class_maps[1].maps for sample in found]), one['lam'])
