# Licensed under Apache-2.0.
"""ToCo's tiny reference network, built from what a file says of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmwsss.methods.toco.toco import ToCo
from mmwsss.methods.toco.toco_keys import convert_toco

LOSSES = dict(
    cls=dict(type='MultiLabelSoftMargin'),
    cls_aux=dict(type='MultiLabelSoftMargin'),
    ptc=dict(type='PatchTokenContrast'),
    seg=dict(type='BalancedCrossEntropy'),
    reg=dict(
        type='DenseEnergyLoss', scale=1e-7, sigma_rgb=15, sigma_xy=100, scale_factor=0.5
    ),
)


def close(ours: Tensor, theirs: np.ndarray, rtol: float = 1e-5) -> None:
    """Equal to ``rtol`` of the largest magnitude."""
    expected = torch.from_numpy(np.asarray(theirs))
    torch.testing.assert_close(
        ours.detach().reshape(expected.shape).to(expected.dtype),
        expected,
        rtol=0,
        atol=rtol * max(float(np.abs(theirs).max(initial=0)), 1e-12),
    )


def state_dict(data: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """The weights that a file holds, by their released names."""
    return {
        k.removeprefix('sd.'): torch.from_numpy(v)
        for k, v in data.items()
        if k.startswith('sd.')
    }


def tiny_toco(
    data: dict[str, np.ndarray],
    train_cfg: dict | None = None,
    temperature: float = 0.5,
    thresholds: tuple[float, float] = (0.25, 0.7),
) -> ToCo:
    """The network of ``meta``, with the file's weights (through the converter).

    Args:
        data: a file with ``meta`` and ``sd.*``.
        train_cfg: of the model.
        temperature: of the class-token contrast.
        thresholds: of the labeler, the low and the high one.
    """
    (
        width,
        depth,
        heads,
        patch,
        grid_of,
        aux,
        classes,
        hidden,
        dilation,
        proj_hidden,
        bottleneck,
        proj_out,
    ) = (int(v) for v in data['meta'])
    mlp = data['sd.encoder.blocks.0.mlp.fc1.weight'].shape[0]
    model = ToCo(
        num_classes=classes,
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        backbone=dict(
            type='WSSSViT',
            img_size=grid_of,
            patch_size=patch,
            freeze_pos_embed=True,
            out_indices=(depth + aux, depth - 1),
            arch=dict(
                embed_dims=width,
                num_layers=depth,
                num_heads=heads,
                feedforward_channels=mlp,
            ),
        ),
        cam_head=dict(type='CAMHead', in_channels=width),
        aux_cam_head=dict(type='CAMHead', in_channels=width, in_index=0),
        decode_head=dict(
            type='LargeFOVHead', in_channels=width, channels=hidden, dilation=dilation
        ),
        proj_head=dict(
            type='ProjectionHead',
            in_channels=width,
            hidden_channels=proj_hidden,
            bottleneck_channels=bottleneck,
            out_channels=proj_out,
        ),
        labeler=dict(
            type='TwoThresholdLabeler',
            low_thr=thresholds[0],
            high_thr=thresholds[1],
            refiner=dict(type='PAR'),
        ),
        train_cfg=train_cfg,
        losses=LOSSES
        | dict(ctc=dict(type='ClassTokenContrast', temperature=temperature)),
    )
    model.load_state_dict(convert_toco(state_dict(data)), strict=True)
    return model
