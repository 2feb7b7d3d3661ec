# Licensed under Apache-2.0.
"""One iteration of WeCLIP+ before and after its late label rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.methods.weclip.attention_choice import fused_affinity
from mmwsss.methods.weclip.weclip_keys import convert_weclip
from mmwsss.methods.weclip.weclip_plus import WeCLIPPlus
from mmwsss.models.gradient_maps import class_gradient_maps
from mmwsss.registry import MODELS
from mmwsss.structures import Features
from mmwsss.testing import at
from tests.goldens.test_seco_train_step import watch
from tests.goldens.weclip_model import CAM, close, pad_slots, tiny_weclip, vit_cfg

BEGIN = 3
WEIGHTS = dict(seg=1.0, dice=1.0, aff=0.1, clip=0.1, dino=0.1)
#: of the description, for single terms of WeCLIP+
TERM = 2e-5


class StoredDINO(nn.Module):
    """Gives the file's tokens for pictures of the file's size."""

    def __init__(self, data) -> None:
        super().__init__()
        self.size = tuple(data['dino_input_hw'].tolist())
        tokens = torch.from_numpy(data['dino_tokens'])
        self.map = tokens.mT.unflatten(2, tuple(data['dino_hw'].tolist()))
        patch = int(data['dino_patch'])
        self.patch_embed = nn.Module()
        self.patch_embed.projection = nn.Conv2d(3, 1, patch, patch)
        self.map_widths = (int(data['dino_width']),)

    def encode(self, images: Tensor) -> Features:
        assert tuple(images.shape[-2:]) == self.size
        return Features((self.map,))


@pytest.fixture(autouse=True)
def _iteration_zero_after():
    yield
    at(0)


@pytest.fixture
def data(golden):
    return golden('weclip_plus')


def model_of(data, monkeypatch) -> WeCLIPPlus:
    build = MODELS.build
    stored = StoredDINO(data)
    monkeypatch.setattr(
        MODELS,
        'build',
        lambda cfg: stored if cfg.get('type') == 'StoredDINO' else build(cfg),
    )
    losses = {
        name: dict(type='BalancedCrossEntropy') for name in ('seg', 'clip', 'dino')
    }
    losses |= dict(aff=dict(type='AffinityLoss'), dice=dict(type='SoftDiceLoss'))
    last = int(data['last_layers'])
    model = tiny_weclip(
        data,
        'WeCLIPPlus',
        dino=dict(type='StoredDINO'),
        backbone=vit_cfg(
            data,
            out_indices=(int(data['layers']) - 2,),
            stream_block=int(data['cam_tap']),
        ),
        refinement=dict(
            threshold=float(data['threshold']) if data['box_mask'] else None,
            last_before=last,
            last_after=last,
        ),
        losses=losses,
        train_cfg=dict(
            weights=WEIGHTS,
            late_label=dict(begin=BEGIN, conf_thr=float(data['conf_thr'])),
            cam=CAM,
        ),
    )
    monkeypatch.undo()
    model.frozen_dino.loaded = True
    return model.train()


def samples_of(data) -> list[SegDataSample]:
    keys = np.split(data['keys'], np.cumsum(data['cam_counts'])[:-1])
    return [SegDataSample(metainfo=dict(gt_labels=tuple(k.tolist()))) for k in keys]


def test_branches_and_maps(data, monkeypatch) -> None:
    model = model_of(data, monkeypatch).eval()
    features = model.encode(torch.from_numpy(data['images']))
    fused = features.extra['fused']
    close(fused[:, : int(data['dim'])], data['fts'])
    close(fused_affinity(fused), data['affinity'])
    for i, name in enumerate(('clip', 'dino')):
        close(features.extra['branches'][:, i], data[f'seg_{name}'])
    labels = model.image_labels(samples_of(data), torch.device('cpu'))
    grid = tuple(fused.shape[-2:])
    maps, _ = class_gradient_maps(
        features.extra['stream'], grid, model.backbone, model.texts, labels
    )
    close(maps, pad_slots(data['cams'], data['cam_counts']).numpy(), 5e-5)


@pytest.mark.parametrize('phase,iteration', [('early', BEGIN - 1), ('late', BEGIN)])
def test_training_step(data, monkeypatch, phase: str, iteration: int) -> None:
    model = model_of(data, monkeypatch)
    at(iteration)
    seen: dict = {}
    for name in ('pseudo_label', 'view_maps', 'corrected'):
        watch(monkeypatch, model, name, seen)
    for name in ('clip', 'dino'):
        watch(monkeypatch, model.losses[name], 'forward', seen)
    losses = model(torch.from_numpy(data['images']), samples_of(data), mode='loss')
    monkeypatch.undo()
    ((maps, _, _),) = seen['view_maps']
    for i, count in enumerate(data['cam_counts']):
        raw = torch.from_numpy(data[f'refined_{i}'])
        raw = raw - raw.amin((-2, -1), keepdim=True)
        own = (raw / (raw.amax((-2, -1), keepdim=True) + 1e-7)).numpy()
        close(maps[i, :count], own, 5e-5)
    sure = data['unsure'] == 0
    label = seen['pseudo_label'].numpy()
    np.testing.assert_array_equal(label[sure], data['label'][sure])
    sure = sure & (data['unsure_confidence'] == 0)
    wanted = 'label' if phase == 'early' else 'late_label'
    corrected = seen['corrected'].numpy()
    np.testing.assert_array_equal(corrected[sure], data[wanted][sure])
    for name, weight in WEIGHTS.items():
        close(losses[f'loss_{name}'] / weight, data[f'{phase}_loss_{name}'], TERM)
    total = sum(losses[f'loss_{name}'] for name in WEIGHTS)
    close(total, data[f'{phase}_loss'])
    if phase == 'early':
        total.backward()
        check_gradients(model, data)


def check_gradients(model: WeCLIPPlus, data) -> None:
    """All trained parameters, and nothing of the encoders."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    found = set()
    for name in (k.removeprefix('grad.') for k in data if k.startswith('grad.')):
        given = {name: torch.from_numpy(data[f'grad.{name}'])}
        ((key, expected),) = convert_weclip(given).items()
        close(trained[key].grad, expected.numpy(), 1e-4)
        found.add(key)
    assert found == set(trained)


def test_labels_of_the_branches(data, monkeypatch) -> None:
    """Each is taught by the other's class at the picture's size."""
    model = model_of(data, monkeypatch)
    at(0)
    taught: dict[str, Tensor] = {}
    for name in ('clip', 'dino'):
        loss = model.losses[name]
        forward = loss.forward

        def keep(logits, label, name=name, forward=forward):
            taught[name] = label
            return forward(logits, label)

        monkeypatch.setattr(loss, 'forward', keep)
    model(torch.from_numpy(data['images']), samples_of(data), mode='loss')
    np.testing.assert_array_equal(taught['clip'], data['label_by_dino'])
    np.testing.assert_array_equal(taught['dino'], data['label_by_clip'])
