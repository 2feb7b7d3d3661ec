# Licensed under Apache-2.0.
"""SMAF's training stage, step by step, on the released network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmwsss.engine.optimizers.slip_sgd import SlipSGD
from mmwsss.engine.schedulers.poly_warmup_lr import PolyWarmupLR
from mmwsss.methods.smaf.smaf_keys import convert_smaf
from mmwsss.registry import MODELS
from tests.goldens.toco_model import close

#: of the rates of weights and of biases (there are none), in backbone and head
MULTIPLIERS = (1, 2, 10, 20)
STATE = 'sd/'


def student(data: dict, **settings):
    """The network of the file with its weights, as a student without a teacher."""
    released = {
        k.removeprefix(STATE): torch.from_numpy(v)
        for k, v in data.items()
        if k.startswith(STATE)
    }
    widths = [int(w) for w in data['widths']]
    base = dict(
        type='EPS',
        num_classes=len(released['fc8.weight']),
        backbone=dict(
            type='WideResNet38',
            widths=widths,
            dropout=(0.0, 0.0),
            frozen_stages=1,
            norm_eval=True,
            norm_cfg=dict(type='BN', requires_grad=False),
        ),
        cam_head=dict(
            type='ProjectedCAMHead',
            in_channels=widths[-1],
            channels=int(data['feat_dim']),
            pooling='avg',
            background=True,
        ),
        data_preprocessor=dict(type='WeakDataPreProcessor'),
    )
    model = MODELS.build(
        dict(
            type='MultiScaleSelfTraining',
            segmentor=base,
            self_training=dict(source='fused'),
            **settings,
        )
    )
    missing, unexpected = model.load_state_dict(
        convert_smaf(dict(Net=dict(model_state=released), iteration=1)), strict=False
    )
    assert not unexpected and all(k.endswith('batches_tracked') for k in missing)
    return model


def released_name(ours: str) -> str:
    """The released name of one of our parameters."""
    for mine, theirs in (
        ('backbone.', ''),
        ('cam_head.projection', 'cov_feat'),
        ('cam_head.norm', 'bn'),
        ('cam_head.classifier', 'fc8'),
    ):
        if ours.startswith(mine):
            return theirs + ours.removeprefix(mine)
    raise KeyError(ours)


def samples(data: dict) -> list[SegDataSample]:
    """Image labels, and the fused maps of the classes that they name."""
    out = []
    for label, maps in zip(data['label'], data['fused_crop'], strict=True):
        dense = np.zeros((len(label), *maps.shape[1:]), np.float32)
        dense[data['fused_keys']] = maps
        present = tuple(np.flatnonzero(label).tolist())
        sample = SegDataSample(metainfo=dict(gt_labels=present))
        sample.fused = PixelData(data=torch.from_numpy(dense[list(present)]))
        out.append(sample)
    return out


def test_forward(golden) -> None:
    data = golden('smaf_train')
    model = student(data).train()
    network = model.segmentor
    features = network.encode(torch.from_numpy(data['x'].astype(np.float32)))
    logits = network.dense_logits(features)
    close(network.cam_head.source(features.maps), data['feat'])
    close(logits, data['logits'])
    close(logits.mean((2, 3)), data['pred'])
    close(network.cam_logits(features)[0], data['logits'])


def test_four_steps(golden) -> None:
    data = golden('smaf_train')
    model = student(data).train()
    start = {k: v.clone() for k, v in model.state_dict().items()}
    ours = {released_name(k): p for k, p in model.named_parameters()}
    groups = dict(zip(data['param_names'].tolist(), data['param_group'], strict=True))
    flags = dict(zip(data['param_names'].tolist(), data['requires_grad'], strict=True))
    assert {k: p.requires_grad for k, p in ours.items()} == flags
    lr, decay = float(data['lr']), float(data['weight_decay'])
    optimizer = SlipSGD(
        [
            dict(
                params=[p for k, p in ours.items() if groups[k] == group], lr=rate * lr
            )
            for group, rate in enumerate(MULTIPLIERS)
        ],
        lr,
        weight_decay=decay,
    )
    scheduler = PolyWarmupLR(optimizer, 0, int(data['max_iters']), power=0.9)
    images = torch.from_numpy(data['x'].astype(np.float32))
    for expected in data['losses']:
        rates = [group['lr'] for group in optimizer.param_groups]
        losses = model.loss(images, samples(data))
        assert set(losses) - {'label_fg', 'label_bg', 'label_ignore'} == {'loss_mac'}
        close(losses['loss_mac'], expected)
        optimizer.zero_grad()
        losses['loss_mac'].backward()
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx(data['lrs_last'].tolist(), rel=1e-5)
    names = data['param_names'].tolist()
    close(torch.stack([ours[k].detach().norm() for k in names]), data['final_norm'])
    first = {released_name(k): start[k] for k, _ in model.named_parameters()}
    moved = torch.stack([(ours[k].detach() - first[k]).norm() for k in names])
    close(moved, data['delta_norm'])
    assert not moved[~torch.from_numpy(data['requires_grad'])].any()
    stored = [k for k in data if k.startswith('final/')]
    assert stored
    for key in stored:
        close(ours[key.removeprefix('final/')], data[key])
    statistics = [k for k in start if 'running_' in k]
    assert statistics and all(
        torch.equal(start[k], model.state_dict()[k]) for k in statistics
    )


def test_converter_names_foreign_files(golden) -> None:
    with pytest.raises(ValueError, match='cov_feat.weight is missing'):
        convert_smaf(dict(state_dict={}))
