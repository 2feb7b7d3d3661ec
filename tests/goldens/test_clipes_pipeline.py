# Licensed under Apache-2.0.
"""CLIP-ES from the photo to stored maps, through a prediction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmseg.structures import SegDataSample

from mmwsss.cam.attention_affinity import attention_transition, mean_patch_attention
from mmwsss.datasets.transforms.pil_multi_scale import PILMultiScale
from mmwsss.methods.clip_es.clip_es import CLIPES
from mmwsss.models.converters.clip_keys import convert_clip_vision
from mmwsss.models.gradient_maps import class_gradient_maps
from mmwsss.structures import ImageLabels
from tests.goldens.clip_model import close, state_dict, vit_cfg

CAM = dict(scales=(1.0,), mirror=False, pair='mean', normalise='ready', fuse_at='label')


@pytest.fixture
def data(golden):
    found = golden('clipes_pipeline')
    order = np.argsort(found['keys'])  # ours are in the order of class ids
    compact = ('cams', 'highres', 'stored_half')
    compact = (*compact, 'keys', *(f'{n}_half_position' for n in compact[:2]))
    found |= {name: found[name][order] for name in compact}
    return found | dict(network=golden(str(found['weights_file'])))


def tiny_clipes(data, **backbone) -> CLIPES:
    """The method with the network, the texts and the settings of the files."""
    network = data['network']
    model = CLIPES(
        num_classes=len(data['fg_text']) + 1,
        data_preprocessor=dict(
            type='WeakDataPreProcessor',
            mean=(255 * data['mean']).tolist(),
            std=(255 * data['std']).tolist(),
        ),
        backbone=vit_cfg(network, **backbone),
        texts=dict(num_background=len(data['bg_text'])),
        affinity=dict(
            threshold=float(data['threshold']), last=int(data['last_layers'])
        ),
        test_cfg=dict(outputs=('class_maps',), cam_filter='gt', cam=CAM),
    )
    state = {
        f'backbone.{k}': v for k, v in convert_clip_vision(state_dict(network)).items()
    }
    state |= {
        'texts.foreground': torch.from_numpy(data['fg_text']),
        'texts.background': torch.from_numpy(data['bg_text']),
        'texts.logit_scale': state_dict(network)['logit_scale'],
    }
    model.load_state_dict(state, strict=True)
    return model.eval()


def read(data, model: CLIPES) -> torch.Tensor:
    """The photo as a test pipeline and the preprocessor hand it on."""
    step = PILMultiScale(scales=(1.0,), rounding=int(data['network']['patch']))
    view = step.transform(dict(img=data['photo']))['views']['scale_1']
    pixels = torch.from_numpy(view.copy()).permute(2, 0, 1)[None].float()
    return model.data_preprocessor.normalise(pixels)


def predicted(data, model: CLIPES) -> torch.Tensor:
    sample = SegDataSample(metainfo=dict(ori_shape=data['photo'].shape[:2]))
    sample.set_field(torch.from_numpy(data['present']), 'gt_labels')
    (found,) = model.predict(read(data, model), [sample])
    stored = found.class_maps[1]
    assert stored.ids.tolist() == (data['keys'] + 1).tolist()
    return stored.maps


def test_picture(data) -> None:
    close(read(data, tiny_clipes(data)), data['image'])


def test_gradient_maps_and_transition(data) -> None:
    model = tiny_clipes(data)
    labels = ImageLabels.from_lists([data['present'].tolist()], model.num_foreground)
    features = model.encode(torch.from_numpy(data['image'])[None])
    grid = tuple(features.maps[-1].shape[-2:])
    cams, attention = class_gradient_maps(
        features.extra['stream'], grid, model.backbone, model.texts, labels
    )
    close(cams, data['cams'], 5e-5)
    every = torch.cat([features.attention, attention[:, None]], 1)
    mean = mean_patch_attention(every, int(data['last_layers']))
    close(attention_transition(mean), data['transition'])


def test_stored_maps(data) -> None:
    maps = predicted(data, tiny_clipes(data))
    close(maps, data['highres'], 5e-5)
    half = maps.half().float().numpy()
    np.testing.assert_allclose(half, data['stored_half'].astype(np.float32), atol=1e-3)


def test_positions_in_half_precision(data) -> None:
    """The released behaviour, which is the default."""
    maps = predicted(data, tiny_clipes(data, position_rounding='half'))
    close(maps, data['highres_half_position'], 5e-5)
