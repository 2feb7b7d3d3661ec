# Licensed under Apache-2.0.
"""TokenWalk: any segmentor as the network over whose tokens maps walk."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from mmwsss.cam import (
    normalise_cam,
    resize,
    token_transition,
    walk_over_tokens,
)
from mmwsss.io.weights import load_weights_strict
from mmwsss.labelers.refiners.walk_refiner import RandomWalk
from mmwsss.registry import LABELERS, MODELS
from mmwsss.structures import ImageLabels, encode
from tests.helpers.methods import ROOT, build

SHAPES = 'configs/toco/toco_vit-t_shapes.py'
STRIDE = 8


def walker(**settings) -> torch.nn.Module:
    inner = Config.fromfile(ROOT / SHAPES).model
    inner.backbone.pretrained = None
    cfg = dict(type='TokenWalk', segmentor=inner, stride=STRIDE, **settings)
    model = MODELS.build(cfg)
    model.load_state_dict(build(SHAPES, 0).state_dict())
    return model.eval()


def data(sizes=((64, 80), (50, 61), (64, 80))) -> tuple[list, list]:
    generator = torch.Generator().manual_seed(0)
    images = [torch.randn(3, *size, generator=generator) for size in sizes]
    maps = [
        torch.rand(k, -(-h // STRIDE), -(-w // STRIDE), generator=generator)
        for k, (h, w) in zip((2, 1, 0), sizes, strict=True)
    ]
    return images, maps


def test_it_is_the_pure_functions_on_the_networks_tokens() -> None:
    model, (images, maps) = walker(power=3.0, steps=2), data()
    found = model.walk(images, maps)
    assert [tuple(f.shape) for f in found] == [(2, 64, 80), (1, 50, 61), (0, 64, 80)]
    for image, cam, got in zip(images, maps, found, strict=True):
        grid = tuple(cam.shape[1:])
        whole = resize(image[None], (grid[0] * STRIDE, grid[1] * STRIDE))
        with torch.no_grad():
            tokens = encode(model.backbone, whole).maps[0]
        walked = walk_over_tokens(cam[None], token_transition(tokens, 3.0), 2)
        want = normalise_cam(resize(walked, tuple(image.shape[-2:])))[0]
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


def test_settings_of_one_call() -> None:
    model, (images, maps) = walker(power=3.0, steps=2), data()
    other = walker(power=1.0, steps=5).walk(images, maps)
    assert not torch.allclose(model.walk(images, maps)[0], other[0])
    called = RandomWalk(model, power=1.0, steps=5).network.walk(
        images, maps, power=1.0, steps=5
    )
    assert torch.equal(called[0], other[0])


def test_its_checkpoints_are_the_inner_networks() -> None:
    model, inner = walker(), build(SHAPES, 3)
    assert model.state_dict().keys() == inner.state_dict().keys()
    load_weights_strict(model, inner.state_dict(), 'inner')
    for key, value in model.segmentor.state_dict().items():
        assert torch.equal(value, inner.state_dict()[key])


def test_in_a_labeler() -> None:
    """Labels of walked maps; what walks is in no checkpoint of a model."""
    labeler = LABELERS.build(
        dict(
            type='RandomWalkLabeler',
            walk=RandomWalk(walker()),
            labeler=dict(type='ThresholdLabeler', bkg_thr=0.5),
        )
    )
    pixels = 255 * torch.rand(1, 3, 64, 80)
    labels = ImageLabels.from_lists([[0, 2]], 6)
    found = labeler(pixels, torch.rand(1, 2, 64, 80), labels)
    assert found.ids.shape == (1, 64, 80) and set(found.ids.unique().tolist()) > {0}
    assert not labeler.state_dict()


def test_what_is_refused() -> None:
    images, maps = data()
    with pytest.raises(ValueError, match=r'grid of the tokens, \(8, 10\); got'):
        walker().walk(images, [m[:, :4] for m in maps])
    wrong = walker()
    wrong.stride = 16
    with pytest.raises(ValueError, match="network's maps, got stride=16"):
        wrong.walk(images[:1], [torch.rand(1, 4, 5)])
    with pytest.raises(TypeError, match='needs a segmentor of mmseg, got'):
        MODELS.build(dict(type='TokenWalk', segmentor=dict(type='mmwsss.PAR')))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_the_same_on_a_gpu() -> None:
    model, (images, maps) = walker(), data()
    want = model.walk(images, maps)
    got = model.cuda().walk([i.cuda() for i in images], [m.cuda() for m in maps])
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-3, atol=1e-3)
