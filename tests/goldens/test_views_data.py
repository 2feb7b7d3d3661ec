# Licensed under Apache-2.0.
"""Resize, flip, pad and crop of the staged methods, from the same pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.datasets.side_inputs.declaration import SideFile
from mmwsss.datasets.side_inputs.grey_kind import GreyKind, grey_values
from mmwsss.datasets.side_inputs.maps_kind import MapsKind
from mmwsss.datasets.transforms import fields
from mmwsss.datasets.transforms import functional as F
from mmwsss.models.data_preprocessor import WeakDataPreProcessor, zero_outside
from tests.goldens.toco_model import close


def view(data: dict, prefix: str, size: int) -> tuple[dict, tuple]:
    """Image and score maps of one sample through the pieces, and the box."""
    img = F.resize_long_side(
        Image.fromarray(data[prefix + 'image']), int(data[prefix + 'target_long'])
    )
    np.testing.assert_array_equal(img.size, data[prefix + 'resized_wh'])
    kinds = dict(fused=MapsKind(), saliency=GreyKind())
    results = {name: data[prefix + name] for name in kinds if prefix + name in data}
    results['side_inputs'] = {n: SideFile('x', k) for n, k in kinds.items()}
    fields.resize_fields(results, img.size[::-1], align_corners=True)
    fields.set_image(results, img)
    if data[prefix + 'flip']:
        results['img'] = results['img'][:, ::-1]
        fields.flip_fields(results)
    place = (
        (size, size),
        tuple(data[prefix + 'cont_top_left'].tolist()),
        tuple(data[prefix + 'img_top_left'].tolist()),
    )
    box = F.crop_box(results['img'].shape[:2], *place)
    results['img'] = F.pad_crop(np.ascontiguousarray(results['img']), *place)
    fields.crop_fields(results, *place)
    if prefix + 'crop_hw' in data:
        copied = box[1] - box[0], box[3] - box[2]
        np.testing.assert_array_equal(copied, data[prefix + 'crop_hw'])
    return results, box


@pytest.mark.parametrize('name', ['eps_augment', 'smaf_augment'])
def test_long_side_views(golden, name):
    """Padding is 0 after normalising: the preprocessor clears what is no image."""
    data = golden(name)
    prep = WeakDataPreProcessor()
    samples = sorted({key.split('/')[0] + '/' for key in data if '/' in key})
    assert samples
    for prefix in samples:
        results, box = view(data, prefix, int(data['crop_size']))
        img = torch.from_numpy(results['img'].transpose(2, 0, 1).copy())
        out = zero_outside(prep.normalise(img)[None], torch.tensor([box]))[0]
        close(out, data[prefix + 'out_image'], 1e-6)
        if prefix + 'out_saliency' in data:
            np.testing.assert_allclose(
                grey_values(results['saliency']).numpy(),
                data[prefix + 'out_saliency'],
                rtol=0,
                atol=1e-6,
            )
        if prefix + 'out_fused' in data:
            np.testing.assert_allclose(
                results['fused'], data[prefix + 'out_fused'], rtol=0, atol=1e-6
            )


@pytest.mark.parametrize(
    ('name', 'table'),
    [('eps_augment', 'resize_table'), ('semformer_inputs', 'resize_cases')],
)
def test_sides_of_the_resized_image(golden, name, table):
    for width, height, target, *expected in golden(name)[table].tolist():
        img = F.resize_long_side(Image.new('L', (width, height)), target, 'nearest')
        assert list(img.size) == expected


def test_normalised_image(golden):
    data = golden('semformer_inputs')
    img = torch.from_numpy(data['image'].transpose(2, 0, 1).copy())
    out = WeakDataPreProcessor().normalise(img).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(out, data['normalized'], rtol=1e-5, atol=2e-6)
