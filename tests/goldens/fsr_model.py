# Licensed under Apache-2.0.
"""FSR's tiny reference network, built from what a file says of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.methods.fsr.fsr import FSR
from mmwsss.methods.fsr.fsr_keys import convert_fsr

SCALES = (1.0, 0.5, 1.5)
# What the files don't hold: the VOC setting of the description.
WEIGHTS = dict(cls=1.0, cls_aux=1.0, ptc=0.2, seg=0.1, unc=0.1, cer=0.1)
MASK = dict(block_size=32, ratio=0.4, low_thr=0.2, high_thr=0.7)


def near(ours: Tensor, theirs: np.ndarray, tolerance: float = 1e-5) -> None:
    """Equal to ``tolerance``, absolute plus relative, as the description asks."""
    expected = np.asarray(theirs)
    np.testing.assert_allclose(
        ours.detach().numpy().reshape(expected.shape),
        expected,
        rtol=tolerance,
        atol=tolerance,
    )


def below(data: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names start with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in data.items() if k.startswith(prefix)}


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """Arrays as tensors."""
    return {k: torch.from_numpy(v) for k, v in arrays.items()}


def tiny_fsr(
    data: dict[str, np.ndarray],
    prefix: str = 'state/',
    state: dict[str, np.ndarray] | None = None,
    thresholds: tuple[float, float] = (0.25, 0.7),
    **train_cfg: Any,
) -> FSR:
    """The network of ``cfg/`` with the file's weights (through the converter).

    Args:
        data: a file with ``cfg/*``.
        prefix: of its weights.
        state: the weights, where another file holds them.
        thresholds: of the labeler, the low and the high one.
        **train_cfg: of the model.
    """
    cfg = {k: int(v) for k, v in below(data, 'cfg/').items()}
    state = below(data if state is None else state, prefix)
    width, depth, heads = cfg['embed_dim'], cfg['depth'], cfg['num_heads']
    patch = state['encoder.patch_embed.proj.weight'].shape[-1]
    hidden = state['encoder.blocks.0.mlp.fc1.weight'].shape[0]
    projector = [k for k in state if k.startswith('projector.mlp') and 'bias' in k]
    train_cfg = (
        dict(
            weights=WEIGHTS,
            cam=dict(scales=SCALES),
            mask=MASK | dict(scales=SCALES),
            teacher_temp=dict(start=0.04, end=0.07, iters=2),
            ema_momentum=dict(start=0.9, end=1.0, iters=6),
        )
        | train_cfg
    )
    model = FSR(
        num_classes=cfg['num_classes'],
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        backbone=dict(
            type='MaskTokenViT',
            img_size=cfg['img_size'],
            patch_size=patch,
            out_indices=(depth - 3, depth - 1),
            aggregation=dict(
                depth=cfg['cls_depth'],
                layer_scale=0.1 if 'encoder.cls_blocks.0.gamma1' in state else None,
            ),
            arch=dict(
                embed_dims=width,
                num_layers=depth,
                num_heads=heads,
                feedforward_channels=hidden,
            ),
        ),
        cam_head=dict(type='CAMHead', in_channels=width, relu=True),
        aux_cam_head=dict(type='CAMHead', in_channels=width, in_index=0, relu=True),
        decode_head=dict(
            type='LargeFOVHead', in_channels=width, channels=cfg['decoder_width']
        ),
        proj_head=dict(
            type='ProjectionHead',
            in_channels=width,
            hidden_channels=cfg['hidden_dim'],
            num_layers=len(projector),
            bottleneck_channels=cfg['bottleneck_dim'],
            out_channels=cfg['out_dim'],
        ),
        labeler=dict(
            type='TwoThresholdLabeler',
            low_thr=thresholds[0],
            high_thr=thresholds[1],
            refiner=dict(type='PAR'),
        ),
        losses=dict(
            cls=dict(type='MultiLabelSoftMargin'),
            cls_aux=dict(type='MultiLabelSoftMargin'),
            ptc=dict(type='PatchTokenContrast'),
            seg=dict(type='BalancedCrossEntropy'),
            reg=dict(type='DenseEnergyLoss'),
            unc=dict(type='SelfDistillation', channels=cfg['out_dim']),
            cer=dict(type='SelfDistillation', channels=cfg['out_dim']),
        ),
        train_cfg=train_cfg,
    )
    model.load_state_dict(convert_fsr(tensors(state)), strict=True)
    return model


def samples(labels: np.ndarray) -> list[SegDataSample]:
    """Data samples with multi-hot labels, without boxes."""
    return [
        SegDataSample(metainfo=dict(gt_labels=tuple(map(int, np.flatnonzero(row)))))
        for row in labels
    ]
