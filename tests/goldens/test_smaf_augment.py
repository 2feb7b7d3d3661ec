# Licensed under Apache-2.0.
"""The geometry of image and fused map, through the transforms of the configs."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from mmwsss.datasets.side_inputs.declaration import SideFile
from mmwsss.datasets.side_inputs.maps_kind import MapsKind
from mmwsss.datasets.transforms import draw
from mmwsss.datasets.transforms.load_picture import LoadPicture
from mmwsss.datasets.transforms.load_side_inputs import LoadSideInputs
from mmwsss.datasets.transforms.pack_weak_inputs import PackWeakInputs
from mmwsss.datasets.transforms.pil_pad_crop import PILPadCrop
from mmwsss.datasets.transforms.pil_random_flip import PILRandomFlip
from mmwsss.datasets.transforms.pil_resize_long_side import PILResizeLongSide
from mmwsss.models.data_preprocessor import WeakDataPreProcessor
from tests.goldens.toco_model import close


def test_picture_and_maps_go_together(golden, tmp_path, monkeypatch) -> None:
    data = golden('smaf_augment')
    size = int(data['crop_size'])
    clean = WeakDataPreProcessor(zero_padding=('img',))
    cases = sorted({key.split('/')[0] for key in data if '/' in key})
    assert cases
    for case in cases:
        one = {
            k.removeprefix(f'{case}/'): v
            for k, v in data.items()
            if k.startswith(f'{case}/')
        }
        keys = one['fused_keys'].tolist()
        Image.fromarray(one['image']).save(tmp_path / 'a.png')
        np.savez(tmp_path / 'a.npz', scores=one['fused'], keys=np.array(keys) + 1)
        place = [tuple(one[k].tolist()) for k in ('cont_top_left', 'img_top_left')]
        monkeypatch.setattr(draw, 'draw_pad_crop', lambda *_, place=place: place)
        results = dict(
            img_path=str(tmp_path / 'a.png'),
            side_inputs=dict(fused=SideFile(str(tmp_path / 'a.npz'), MapsKind())),
            gt_labels=tuple(keys),
            num_foreground=max(keys) + 1,
        )
        target = int(one['target_long'])
        for transform in (
            LoadPicture(),
            LoadSideInputs(),
            PILResizeLongSide((target, target)),
            PILRandomFlip(float(one['flip'])),
            PILPadCrop(size),
            PackWeakInputs(),
        ):
            results = transform.transform(results)
        ours = results['data_samples'].fused.data  # in the order of the class ids
        expected = torch.from_numpy(one['out_fused'][np.argsort(keys)])
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)
        batch = clean(
            dict(inputs=[results['inputs']], data_samples=[results['data_samples']]),
            True,
        )
        close(batch['inputs'][0], one['out_image'], 1e-6)
