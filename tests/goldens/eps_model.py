# Licensed under Apache-2.0.
"""EPS with the widths and the weights that a file gives."""

from __future__ import annotations

import numpy as np
import torch

from mmwsss.methods.eps.eps import EPS
from mmwsss.models.converters.wide_resnet_keys import convert_eps


def eps_model(widths, classes: int = 21, dropout=(0.0, 0.0), **settings) -> EPS:
    """The network with the published freezing."""
    widths = [int(w) for w in widths]
    settings = (
        dict(
            losses=dict(
                cls=dict(type='MultiLabelSoftMargin'),
                sal=dict(type='SaliencyLoss', overlap_thr=0.4, fg_weight=0.5),
            ),
            train_cfg=dict(weights=dict(cls=1.0, sal=1.0)),
        )
        | settings
    )
    return EPS(
        num_classes=classes,
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        backbone=dict(
            type='WideResNet38',
            widths=widths,
            dropout=dropout,
            out_indices=(4, 5, 6),
            frozen_stages=1,
            norm_eval=True,
            norm_cfg=dict(type='BN', requires_grad=False),
        ),
        cam_head=dict(
            type='CAMHead', in_channels=widths[-1], pooling='avg', background=True
        ),
        **settings,
    )


def load_public(model: EPS, state: dict[str, np.ndarray]) -> EPS:
    """Load weights of the public names, all of them."""
    ours = convert_eps({k: torch.from_numpy(v) for k, v in state.items()})
    missing, unexpected = model.load_state_dict(ours, strict=False)
    assert not unexpected
    assert all(k.endswith('num_batches_tracked') for k in missing), missing
    return model


def public_name(ours: str) -> str:
    """The released name of one of our parameters."""
    return 'fc8.weight' if ours.startswith('cam_head') else ours[len('backbone.') :]
