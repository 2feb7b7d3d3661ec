# Licensed under Apache-2.0.
"""What is traced predicts what the network predicts, before it is traced."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from mmwsss.io.errors import UserError
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.pipeline.deploy.deployable import deployable, left_out
from mmwsss.pipeline.deploy.pixel_rule import PixelRule
from mmwsss.pipeline.inference import predict_image
from mmwsss.registry import MODELS
from mmwsss.testing import build, load_config

SIZE = (48, 64)
SEGMENTER = 'configs/pseudo/deeplabv3_vit-t_shapes-pseudo.py'


def network(config: object) -> nn.Module:
    model = build(config).eval()
    model.picture = PictureRule()
    return model


def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)


def deployed(model: nn.Module, all_views: bool = False) -> dict[str, torch.Tensor]:
    images = torch.from_numpy(photo()).permute(2, 0, 1)[None]
    traced = deployable(model, all_views)
    with torch.no_grad():
        found = traced(PixelRule.of(model).normalise(images))
    return dict(zip(traced.names, found, strict=True))


@pytest.mark.parametrize('all_views', [False, True])
@pytest.mark.parametrize(
    'config',
    [
        'configs/toco/toco_vit-t_shapes.py',
        'configs/afa/afa_mit-t_shapes.py',
        'configs/semformer/semformer_deit-t_shapes.py',
        'configs/eps/eps_wr38-t_shapes.py',
    ],
)
def test_networks_of_ours(config, all_views) -> None:
    model = network(config)
    views = dict(scales=(1.0, 0.75), mirror=True, add_one=True)
    one = dict(scales=(1.0,), mirror=False)
    cam = views if all_views else one
    seg = dict(scales=cam['scales'], mirror=cam['mirror'])
    model.test_cfg |= dict(input=dict(squash=None, long_side=None))
    model.test_cfg |= dict(cam=dict(model.test_cfg.get('cam', {}), **views))
    model.test_cfg |= dict(
        seg=dict(model.test_cfg.get('seg', {}), scales=(1.0, 0.75), mirror=True)
    )
    found = deployed(model, all_views)
    outputs = ('prob', 'class_maps')[model.decode_head is None :]
    sample = predict_image(
        model, photo(), outputs=outputs, cam_filter='none', cam=cam, seg=seg
    )
    assert torch.allclose(found['scores'][0], sample.pred_score, atol=1e-6)
    assert torch.allclose(found['cams'][0], sample.class_maps[1].maps, atol=1e-4)
    assert ('prob' in found) == (model.decode_head is not None)
    if 'prob' in found:
        assert torch.allclose(found['prob'][0], sample.pred_prob.data, atol=1e-6)
        assert torch.allclose(found['prob'].sum(1), torch.ones(1, *SIZE), atol=1e-5)


@pytest.mark.parametrize('to_rgb', [True, False])
def test_segmenters_of_mmseg_take_rgb_in_any_case(to_rgb) -> None:
    config = load_config(SEGMENTER)
    config.model.data_preprocessor = dict(
        type='mmseg.SegDataPreProcessor', mean=[90, 100, 110], std=[50, 60, 70],
        bgr_to_rgb=to_rgb,
    )  # fmt: skip
    model = network(config)
    expected = predict_image(model, photo()).seg_logits.data.softmax(0)
    assert torch.allclose(deployed(model)['prob'][0], expected, atol=1e-6)
    assert PixelRule.of(model).mean == ((90, 100, 110) if to_rgb else (110, 100, 90))


def test_what_a_file_leaves_out_is_named() -> None:
    config = load_config('configs/toco/toco_vit-t_shapes.py')
    config.model.test_cfg.post_processor = dict(type='PAR')
    config.model.test_cfg.windows = dict(size=(96, 96), from_pixels=10_000)
    model = network(config)
    views = 'scales and mirrors of test_cfg (--test-views takes them in)'
    post, windows = 'the post-processor', 'windows (test_cfg.windows)'
    assert list(left_out(model, (64, 64))) == [post, views]
    assert list(left_out(model, (128, 128), True)) == [post, windows]
    inner = dict(load_config(SEGMENTER).model, test_cfg=dict(mode='slide'))
    wrapped = MODELS.build(
        dict(type='PostProcessed', segmentor=inner, post_processor=dict(type='PAR'))
    )
    slides = 'sliding windows (test_cfg.mode)'
    assert list(left_out(wrapped, (64, 64))) == [post, slides]


def test_maps_of_gradients_are_left_out(monkeypatch) -> None:
    model = network('configs/cam/cam_vit-t_shapes.py')
    monkeypatch.setattr(type(model), 'MAPS_NEED_GRAD', True)
    assert list(deployed(model)) == ['prob', 'scores']
    assert 'CAMs, which are made of gradients here' in list(left_out(model, (64, 64)))


@pytest.mark.parametrize(
    'config',
    ['configs/semformer/caae_deit-t_shapes.py', 'configs/irn/irn_r18_shapes.py'],
)
def test_networks_without_pixels_or_cams(config) -> None:
    with pytest.raises(UserError, match='neither probabilities of pixels nor CAMs'):
        deployable(network(config))


def test_decoders_whose_scores_are_no_logits() -> None:
    config = load_config(SEGMENTER)
    config.model.decode_head.update(num_classes=2, out_channels=1)
    with pytest.raises(UserError, match='with 1 channels are no logits'):
        deployable(network(config))


def test_a_segmentation_from_maps_is_refused() -> None:
    """A file would hold the decoder, which is another segmentation."""
    model = network('configs/more/more_vit-t_shapes_lam.py')
    with pytest.raises(UserError, match="seg.source='maps' and main_map='lam'"):
        deployable(model)
    assert deployed(network('configs/more/more_vit-t_shapes.py'))
