# Licensed under Apache-2.0.
"""Wide-ResNet-38 and EPS against the released network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from tests.goldens.eps_model import eps_model, load_public, public_name
from tests.goldens.toco_model import close


def small(data: dict, **settings):
    """The reduced network with the file's weights."""
    state = {k[3:]: v for k, v in data.items() if k.startswith('sd/')}
    return load_public(
        eps_model(data['widths'], len(state['fc8.weight']), **settings), state
    )


def samples(label: np.ndarray, saliency: np.ndarray) -> list[SegDataSample]:
    """Data samples with image labels and saliency maps."""
    out = []
    for row, one in zip(label, saliency, strict=True):
        sample = SegDataSample(
            metainfo=dict(gt_labels=tuple(np.flatnonzero(row).tolist()))
        )
        sample.set_data(dict(saliency=PixelData(data=torch.from_numpy(one))))
        out.append(sample)
    return out


def test_taps_and_maps(golden) -> None:
    data = golden('eps_resnet38_small')
    model = small(data).eval()
    with torch.no_grad():
        features = model.encode(torch.from_numpy(data['x']))
        dense = model.cam_head.dense(features.maps)
    for tap, name in zip(features.maps, ('conv4', 'conv5', 'conv6'), strict=True):
        close(tap, data[f'eval/{name}'])
    close(dense, data['eval/cam'])
    close(model.cam_logits(features)[0], data['eval/cam'])
    pooled = F.adaptive_avg_pool2d(dense, 1).flatten(1)
    close(pooled, data['eval/pred'])
    close(model.cam_head(features.maps), data['eval/pred'][:, :-1])
    close(model.cam_head.scores(dense), data['eval/pred'][:, :-1])


def test_training_step(golden) -> None:
    """Both losses and every gradient, through the model's own step."""
    data = golden('eps_resnet38_small')
    model = small(data).train()
    images = torch.from_numpy(data['train/x'])
    dense = model.cam_head.dense(model.encode(images).maps)
    close(dense, data['train/cam'])
    close(dense.mean((2, 3)), data['train/pred'])
    losses = model.loss(images, samples(data['train/label'], data['train/saliency']))
    close(losses['loss_cls'], data['train/loss_cls'])
    close(losses['loss_sal'], data['train/loss_sal'])
    (losses['loss_cls'] + losses['loss_sal']).backward()
    ours = {public_name(k): p for k, p in model.named_parameters()}
    assert list(ours) == data['train/param_names'].tolist()
    expected = zip(
        data['train/param_names'].tolist(),
        data['train/requires_grad'],
        data['train/grad_norm'],
        data['train/param_group'],
        strict=True,
    )
    for name, trained, norm, group in expected:
        parameter = ours[name]
        assert parameter.requires_grad == trained == (group >= 0), name
        assert not trained or (group == 2) == name.startswith('fc8'), name
        if norm < 0:
            assert parameter.grad is None, name
        else:
            assert float(parameter.grad.norm()) == pytest.approx(float(norm), rel=1e-4)
    stored = [k for k in data if k.startswith('train/grad/')]
    assert stored
    for key in stored:
        close(ours[key.removeprefix('train/grad/')].grad, data[key])


def test_frozen_norms_keep_their_statistics(golden) -> None:
    model = small(golden('eps_resnet38_small')).train()
    before = {k: v.clone() for k, v in model.named_buffers()}
    model.encode(torch.randn(2, 3, 32, 32))
    assert all(torch.equal(v, before[k]) for k, v in model.named_buffers())


def recipe(names: list[str], shapes: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """The weights of the full network: standard normals, scaled by their kind."""
    state = {}
    for j, (name, padded) in enumerate(zip(names, shapes, strict=True)):
        shape = tuple(int(n) for n in padded if n)
        z = np.random.RandomState(seed + j).standard_normal(shape)
        if name.endswith('running_var'):
            z = 0.5 + np.abs(z)
        elif name.endswith(('running_mean', 'bias')):
            z = 0.1 * z
        elif len(shape) == 1:
            z = 1 + 0.1 * z
        else:
            z = z * np.sqrt(1 / np.prod(shape[1:]))
        state[name] = z.astype(np.float32)
    return state


def full(data: dict):
    """The network of the file's shapes."""
    shapes = dict(zip(data['names'].tolist(), data['shapes'], strict=True))
    stages = ('conv1a.weight', *(f'b{i}.conv_branch1.weight' for i in range(2, 8)))
    return eps_model([shapes[k][0] for k in stages], int(shapes['fc8.weight'][0]))


def test_full_layout(golden) -> None:
    """Every key, shape and frozen flag of the published network."""
    data = golden('eps_resnet38_full')
    with torch.device('meta'):
        model = full(data)
    ours = {
        public_name(k): tuple(v.shape)
        for k, v in model.state_dict().items()
        if not k.endswith('num_batches_tracked') and not k.startswith('data_')
    }
    theirs = {
        name: tuple(int(n) for n in shape if n)
        for name, shape in zip(data['names'].tolist(), data['shapes'], strict=True)
    }
    assert ours == theirs
    parameters = {public_name(k): p for k, p in model.named_parameters()}
    assert list(parameters) == data['param_names'].tolist()
    flags = [p.requires_grad for p in parameters.values()]
    assert flags == data['param_requires_grad'].tolist()
    # collected before freezing: convolutions 0, the classifier 2, norms in none
    groups = [
        2 if name.startswith('fc8') else 0 if p.dim() == 4 else -1
        for name, p in parameters.items()
    ]
    assert groups == data['param_group'].tolist()


def test_full_network(golden) -> None:
    data = golden('eps_resnet38_full')
    model = full(data).eval()
    seed = int(data['seed_base'])
    load_public(model, recipe(data['names'].tolist(), data['shapes'], seed))
    x = np.random.RandomState(seed - 1).standard_normal(data['x'].shape)
    np.testing.assert_array_equal(x.astype(np.float32), data['x'])
    with torch.no_grad():
        maps = model.encode(torch.from_numpy(data['x'])).maps
        dense = model.cam_head.dense(maps)
    for tap, name in zip(maps, ('conv4', 'conv5', 'conv6'), strict=True):
        close(tap.mean((2, 3)), data[f'{name}_mean'])
    first = data['conv6_first32']
    close(maps[-1][:, : first.shape[1]], first)
    close(dense, data['cam'])
    close(dense.mean((2, 3)), data['pred'])
