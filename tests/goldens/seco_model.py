# Licensed under Apache-2.0.
"""SeCo's tiny reference network, built from what a file says of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmwsss.methods.seco.seco import SeCo
from mmwsss.methods.seco.seco_keys import convert_seco
from tests.goldens.toco_model import LOSSES, close

__all__ = ['below', 'cases', 'close', 'equal', 'tensors', 'tiny_seco']


def equal(ours: Tensor, theirs: np.ndarray) -> None:
    """Equal in every element."""
    np.testing.assert_array_equal(ours.numpy(), theirs)


def below(data: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin so, without that."""
    found = {k.removeprefix(prefix): v for k, v in data.items() if k.startswith(prefix)}
    assert found, prefix
    return found


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """Arrays as tensors; whole numbers as int64."""
    return {
        k: torch.from_numpy(v.astype(np.int64) if v.dtype == np.int16 else v)
        for k, v in arrays.items()
        if v.dtype.kind != 'U'
    }


def cases(data: dict[str, np.ndarray]) -> list[str]:
    """What stands before the slash, each once."""
    return list(dict.fromkeys(k.split('/')[0] for k in data if '/' in k))


def tiny_seco(
    data: dict[str, np.ndarray],
    prefix: str = 'sd.',
    lil: dict[str, float] | None = None,
    lig: dict[str, float] | None = None,
    thresholds: tuple[float, float] = (0.25, 0.7),
    memory: dict[str, float] | None = None,
    **train_cfg: Any,
) -> SeCo:
    """The network of ``meta``, with the file's weights (through the converter).

    Args:
        data: a file with ``meta`` and weights.
        prefix: of the weights. Teachers that aren't stored are copies.
        lil, lig: settings of the two losses.
        thresholds: of the labeler, the low and the high one.
        memory: settings of the memory beside its sizes.
        **train_cfg: of the model.
    """
    width, depth, heads, patch, grid, classes, hidden, rows = map(int, data['meta'])
    state = tensors(below(data, prefix))
    mlp = len(state['encoder.blocks.0.mlp.fc1.weight'])
    weights = train_cfg.pop('weights', {})
    model = SeCo(
        num_classes=classes,
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        backbone=dict(
            type='WSSSViT',
            img_size=grid * patch,
            patch_size=patch,
            freeze_pos_embed=True,
            out_indices=(max(depth - 3, 0), depth - 1),
            arch=dict(
                embed_dims=width,
                num_layers=depth,
                num_heads=heads,
                feedforward_channels=mlp,
            ),
        ),
        cam_head=dict(type='CAMHead'),
        aux_cam_head=dict(type='CAMHead', in_index=0),
        decode_head=dict(type='DeepLabV2Head'),
        proj_head=dict(type='ProjectionHead', hidden_channels=hidden),
        memory=dict(type='MemoryBank', size=rows, **(memory or {})),
        labeler=dict(
            type='TwoThresholdLabeler',
            low_thr=thresholds[0],
            high_thr=thresholds[1],
            refiner=dict(type='PAR'),
        ),
        losses=LOSSES
        | dict(
            contrast=dict(
                type='TagContrast',
                lil=lil or dict(temperature=0.08),
                lig=lig or dict(temperature=0.1),
            )
        ),
        train_cfg=dict(
            dict(ema_momentum=0.999, local_crops=dict(crop_num=10, crop_size=64)),
            weights=weights,
            **train_cfg,
        ),
    )
    ours = convert_seco(state)
    if 'encoder_k.cls_token' not in state:
        for part in ('backbone', 'proj_head'):
            own = {k: v for k, v in ours.items() if k.startswith(f'{part}.')}
            ours |= {k.replace('.', '_ema.module.', 1): v for k, v in own.items()}
    if 'classifier.weight' not in state:  # a file of encoders alone
        heads = ('cam_head.', 'aux_cam_head.', 'decode_head.')
        ours |= {k: v for k, v in model.state_dict().items() if k.startswith(heads)}
    model.load_state_dict(ours, strict=True)
    return model
