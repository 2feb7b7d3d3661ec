# Licensed under Apache-2.0.
"""AFA's tiny reference network, built from what a file says of it."""

from __future__ import annotations

import numpy as np

from mmwsss.methods.afa.afa import AFA
from mmwsss.methods.afa.mit_keys import convert_afa
from tests.goldens.toco_model import state_dict

LOSSES = dict(
    cls=dict(type='MultiLabelSoftMargin'),
    aff=dict(type='AffinityLoss'),
    seg=dict(type='BalancedCrossEntropy'),
)


def tiny_afa(
    data: dict[str, np.ndarray],
    train_cfg: dict | None = None,
    freeze_norm: bool = False,
    thresholds: tuple[float, float] = (0.25, 0.7),
    **settings,
) -> AFA:
    """The network that the file describes, with its weights (by the converter).

    Args:
        data: a file with sizes and ``sd.*``.
        train_cfg: of the model.
        freeze_norm: as released, or not, so that every parameter has a gradient.
        thresholds: of the labeler, the low and the high one.
        **settings: further arguments of the model.
    """
    widths, heads, depths, strides, ratios = (
        data[k].tolist()
        for k in ('embed_dims', 'num_heads', 'depths', 'strides', 'sr_ratios')
    )
    model = AFA(
        num_classes=int(data['num_classes_with_bkg']),
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        backbone=dict(
            type='WSSSMiT',
            embed_dims=widths,
            num_heads=heads,
            num_layers=depths,
            strides=strides,
            sr_ratios=ratios,
            mlp_ratio=int(data['mlp_ratio']),
            freeze_norm=freeze_norm,
        ),
        cam_head=dict(type='CAMHead', in_channels=widths[-1]),
        decode_head=dict(
            type='MLPHead',
            in_channels=widths,
            channels=int(data['decoder_dim']),
            norm_cfg=dict(type='BN'),
        ),
        affinity_head=dict(type='AffinityHead', num_maps=2 * heads[-1]),
        labeler=dict(
            type='TwoThresholdLabeler',
            low_thr=thresholds[0],
            high_thr=thresholds[1],
            refiner=dict(type='PAR'),
        ),
        losses=LOSSES,
        train_cfg=train_cfg,
        **settings,
    )
    model.load_state_dict(convert_afa(state_dict(data)), strict=True)
    return model
