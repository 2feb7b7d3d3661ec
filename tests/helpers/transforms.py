# Licensed under Apache-2.0.
"""A picture with fields beside it, and one transform at work on them."""

from __future__ import annotations

import numpy as np

from mmwsss.datasets.side_inputs.declaration import SideFile
from mmwsss.datasets.side_inputs.maps_kind import MapsKind
from mmwsss.registry import TRANSFORMS


def picture(height=50, width=60, seed=0):
    """Seeded noise."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def same(img, other):
    """Both hold the same numbers."""
    np.testing.assert_array_equal(np.asarray(img), np.asarray(other))


def run(cfg, img=None, **results):
    """Build a transform and apply it to a picture and further results."""
    img = picture() if img is None else img
    return TRANSFORMS.build(cfg).transform(
        dict(img=img, img_shape=img.shape[:2], **results)
    )


def fields(height=50, width=60):
    """A mask and two side inputs, as the loaders leave them."""
    rng = np.random.default_rng(1)
    return dict(
        gt_seg_map=rng.integers(0, 3, (height, width)).astype(np.uint8),
        cam=rng.random((2, height, width)).astype(np.float32),
        saliency=rng.random((1, height, width)).astype(np.float32),
        seg_fields=['gt_seg_map'],
        side_inputs={name: SideFile('x', MapsKind()) for name in ('cam', 'saliency')},
    )
