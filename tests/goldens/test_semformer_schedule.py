# Licensed under Apache-2.0.
"""SemFormer's optimizer as it effectively runs, and its preprocessing."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpretrain.models.utils import resize_pos_embed
from torch import nn

from mmwsss.cam import max_normalise_cam, strided_size
from mmwsss.datasets.transforms import functional as F
from mmwsss.datasets.transforms.pil_multi_scale import view_size
from mmwsss.engine.schedulers.poly_warmup_lr import PolyWarmupLR
from mmwsss.methods.semformer.complement import valid_pixels
from mmwsss.models.data_preprocessor import WeakDataPreProcessor, zero_outside
from tests.helpers import ROOT

SCHEDULE = ROOT / 'configs' / '_base_' / 'schedules' / 'sgd_poly.py'


def test_optimizer(golden) -> None:
    """The config's optimizer, groups and schedule, step by step."""
    g = golden('semformer_optimizer')
    init_default_scope('mmwsss')
    model = nn.ModuleDict({name: nn.ParameterDict() for name in ('backbone', 'head')})
    places = (
        ('backbone', 'weight'),
        ('backbone', 'bias'),
        ('head', 'weight'),
        ('head', 'bias'),
    )
    for i, (part, name) in enumerate(places):
        model[part][name] = nn.Parameter(torch.from_numpy(g[f'param{i}_init'].copy()))
    cfg = Config.fromfile(SCHEDULE)
    cfg.optim_wrapper.optimizer.update(
        lr=float(g['base_lr']), weight_decay=float(g['weight_decay'])
    )
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    settings = dict(cfg.param_scheduler[0], end=int(g['max_step']))
    settings.pop('type')
    schedule = PolyWarmupLR(wrapper, **settings)
    groups = wrapper.optimizer.param_groups
    rates = {id(p): group for group in groups for p in group['params']}
    parameters = [model[part][name] for part, name in places]
    assert len(groups) == 4
    for step, grads in enumerate(g['grads']):
        np.testing.assert_allclose(
            [rates[id(p)]['lr'] for p in parameters], g['lrs'][step], rtol=1e-6
        )
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = torch.from_numpy(grad.copy())
        wrapper.step()
        schedule.step()
        for parameter, expected in zip(parameters, g['params'][step], strict=True):
            np.testing.assert_allclose(
                parameter.detach(), expected, rtol=1e-4, atol=1e-6
            )


def test_crop(golden) -> None:
    """Zero padding after normalising, wherever the image lies on the canvas."""
    g = golden('semformer_inputs')
    side = int(g['crop_size'])
    (x0, y0, x1, y1), (sx, sy, _, _) = g['dst_box'].tolist(), g['src_box'].tolist()
    place = ((side, side), (y0, x0), (sy, sx))
    crop = F.pad_crop(g['image'], *place)
    box = F.crop_box(g['image'].shape[:2], *place)
    assert box == (y0, y1, x0, x1)
    images = WeakDataPreProcessor().normalise(
        torch.from_numpy(crop.transpose(2, 0, 1).copy())
    )
    found = zero_outside(images[None], torch.tensor([box]))[0].permute(1, 2, 0)
    expected = g['crop'] if g['crop'].shape[-1] == 3 else g['crop'].transpose(1, 2, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)


def test_valid_pixels(golden) -> None:
    g = golden('semformer_inputs')
    big, small = g['big_small'].tolist()
    boxes = torch.from_numpy(g['regions'])[:, [1, 3, 0, 2]]
    found = valid_pixels(boxes, (big, big), (small, small), len(boxes), boxes.device)
    np.testing.assert_array_equal(found, g['valid_masks'] > 0)


def test_sizes(golden) -> None:
    g = golden('semformer_inputs')
    for width, height, scale, *expected in g['scale_cases']:
        # stored as float32: 0.7, not 0.699999988
        found = view_size((int(width), int(height)), float(str(scale)), 16)
        assert found == tuple(expected)
    for height, width, *expected in g['stride_cases'].tolist():
        assert strided_size((height, width), 4) == tuple(expected[:2])
        assert view_size((height, width), 1.0, 16) == tuple(expected[2:])


def test_positions(golden) -> None:
    g = golden('semformer_inputs')
    position = torch.from_numpy(g['pos_in'])
    side = round(position.shape[1] ** 0.5)
    grids = [k.removeprefix('pos_out_') for k in g if k.startswith('pos_out_')]
    assert grids
    for name in grids:
        grid = tuple(map(int, name.split('x')))
        found = resize_pos_embed(position, (side, side), grid, 'bicubic', 0)
        np.testing.assert_allclose(found, g[f'pos_out_{name}'], rtol=1e-4, atol=1e-5)


def test_normalised_cam(golden) -> None:
    """The form that also takes eps off the map: (m − eps) + 2 eps = m + eps."""
    g, eps = golden('semformer_inputs'), 1e-5
    raw = torch.from_numpy(g['raw_cam']).relu()
    found = max_normalise_cam((raw - eps).relu(), 2 * eps)
    np.testing.assert_allclose(found, g['maxnorm_cam'], rtol=1e-4, atol=1e-5)
