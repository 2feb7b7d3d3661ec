# Licensed under Apache-2.0.
"""SemFormer's tiny reference networks, built from what a file says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.registry import init_default_scope
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.methods.semformer.caae import CAAE
from mmwsss.methods.semformer.semformer import SemFormer
from mmwsss.methods.semformer.semformer_keys import convert_caae, convert_segmentor

FORWARD = dict(rtol=1e-4, atol=1e-5)
GRADIENT = dict(rtol=1e-3, atol=1e-6)


def near(ours: Tensor, theirs: Any, **tolerance: float) -> None:
    """Equal to the tolerance, by default that of forwards and losses."""
    expected = torch.as_tensor(np.asarray(theirs))
    torch.testing.assert_close(
        ours.detach().reshape(expected.shape), expected, **(tolerance or FORWARD)
    )


def below(data: dict[str, np.ndarray], prefix: str) -> dict[str, Tensor]:
    """The arrays whose names start with a prefix, without it, as tensors."""
    return {
        k.removeprefix(prefix): torch.from_numpy(np.array(v))
        for k, v in data.items()
        if k.startswith(prefix)
    }


def samples(
    labels: np.ndarray, regions: np.ndarray | None = None
) -> list[SegDataSample]:
    """Samples with the labels (B, K), background first, and boxes x0, y0, x1, y1."""
    out = []
    for i, row in enumerate(labels):
        one = SegDataSample(
            metainfo=dict(gt_labels=tuple(map(int, np.flatnonzero(row[1:]))))
        )
        if regions is not None:
            x0, y0, x1, y1 = map(int, regions[i])
            one.set_data(dict(valid_box=torch.tensor([y0, y1, x0, x1])))
        out.append(one)
    return out


def walk_rounding(case: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Walked maps (K, h, w), float64, by the transitions as stored and without error.

    The columns of the stored float32 matrix sum to 1 within some 2e-7 only, of which
    256 steps make up to 1e-4. What the reference has of that is the first result less
    the second, known from the file alone.
    """
    _, beta, squarings = case['params'].tolist()
    cams, edge = (case[name].astype(np.float64) for name in ('cams', 'edge'))
    exact = case['affinity'].astype(np.float64) ** beta
    exact /= exact.sum(axis=0)
    start = (cams * (1 - edge)).reshape(len(cams), -1)
    rounded, exact = (
        (
            start @ np.linalg.matrix_power(matrix.astype(np.float64), 2**squarings)
        ).reshape(cams.shape)
        for matrix in (case['transition'], exact)
    )
    return rounded, exact


def _arch(state: dict[str, Tensor], heads: int) -> dict:
    """Widths of an encoder, from its converted weights."""
    layers = {k.split('.')[2] for k in state if k.startswith('backbone.layers.')}
    hidden, width = state['backbone.layers.0.ffn.layers.0.0.weight'].shape
    patch = state['backbone.patch_embed.projection.weight'].shape[-1]
    side = round(state['backbone.pos_embed'].shape[1] ** 0.5)
    return dict(
        arch=dict(
            embed_dims=width,
            num_layers=len(layers),
            num_heads=heads,
            feedforward_channels=hidden,
        ),
        img_size=side * patch,
        patch_size=patch,
    )


def caae_config(state: dict[str, Tensor], heads: int) -> dict:
    """The config of an auto-encoder with these converted weights, with its decoder."""
    classes, channels = state['semantics.table_weight'].shape
    encoder = _arch(state, heads)
    width = encoder['arch']['embed_dims']
    cfg = dict(
        num_classes=classes,
        backbone=dict(
            type='WSSSViT', with_cls_token=False, out_indices=(-1,), **encoder
        ),
        semantics=dict(type='ClassSemantics', in_channels=width, channels=channels),
    )
    if 'decoder.adapter.weight' in state:
        layers = {k.split('.')[2] for k in state if k.startswith('decoder.layers.')}
        cfg['decoder'] = dict(
            type='ReconstructionDecoder',
            embed_channels=width,
            num_heads=heads,
            channels=len(state['decoder.adapter.weight']),
            num_layers=len(layers),
            patch_size=encoder['patch_size'],
        )
    return cfg


def tiny_caae(data: dict[str, np.ndarray]) -> CAAE:
    """The auto-encoder of ``sd.*``, its losses with the file's weights."""
    init_default_scope('mmwsss')
    state = convert_caae(below(data, 'sd.'))
    sim, recon = data['loss_weights'].tolist()
    model = CAAE(
        **caae_config(state, int(data['num_heads'])),
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        losses=dict(
            sim=dict(type='SemanticSimilarity', gate=True),
            recon=dict(type='Reconstruction'),
        ),
        train_cfg=dict(weights=dict(sim=sim, recon=recon)),
    )
    model.load_state_dict(state, strict=True)
    return model


def tiny_semformer(
    data: dict[str, np.ndarray],
    caae: dict | None = None,
    blocks: int | None = None,
    **kwargs: Any,
) -> SemFormer:
    """The segmentor of ``sd.*``.

    Args:
        data: a file with ``sd.*`` and ``num_heads``.
        caae: config of the auto-encoder with its checkpoint.
        blocks: of the attention; default: all.
        **kwargs: of the model.
    """
    init_default_scope('mmwsss')
    state = convert_segmentor(below(data, 'sd.'))
    classes, width, channels = state['token_head.weight'].shape
    encoder = _arch(state, int(data['num_heads']))
    depth = encoder['arch']['num_layers']
    model = SemFormer(
        num_classes=classes,
        data_preprocessor=dict(type='WeakDataPreProcessor'),
        backbone=dict(
            type='ClassTokenViT',
            **encoder,
            attention_blocks=depth if blocks is None else blocks,
        ),
        cam_head=dict(type='ActivationHead', in_channels=width, token_dropout=0.0),
        token_head=dict(type='ClassTokenHead', in_channels=width, channels=channels),
        caae=caae or dict(type='CAAE', checkpoint=None),
        **kwargs,
    )
    model.load_state_dict(state, strict=True)
    return model
