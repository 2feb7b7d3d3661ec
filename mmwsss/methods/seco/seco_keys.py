# Licensed under Apache-2.0.
"""Key map of SeCo's released checkpoints. Pure: dict in, dict out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmwsss.models.converters.vit_keys import Rules, convert_timm_vit, rename_keys

#: released encoder → ours
ENCODERS = {'encoder.': 'backbone.', 'encoder_k.': 'backbone_ema.module.'}
SECO_HEADS: Rules = (
    (r'proj_head\.(mlp\.\d+\.\w+)', r'proj_head.\1'),
    (r'proj_head_t\.(mlp\.\d+\.\w+)', r'proj_head_ema.module.\1'),
    (r'proj_head(_t)?\.last_layer\.weight_[gv]', None),  # never called
    (r'decoder\.c(\d+)\.(weight|bias)', r'decode_head.convs.\1.\2'),
    (r'classifier\.weight', r'cam_head.classifier.weight'),
    (r'aux_classifier\.weight', r'aux_cam_head.classifier.weight'),
    (r'prototypes', r'memory.prototypes'),
    (r'queue', r'memory.features'),
    (r'queue_label_flag', r'memory.tags'),
    (r'queue_ptr', r'memory.pointer'),
)


def convert_seco(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """SeCo's released checkpoints → keys of :class:`~mmwsss.methods.seco.seco.SeCo`.

    The DDP prefix ``module.``, the unused ImageNet classifiers and the unused last
    layers of the projection heads are dropped. The queue is full, as it is in the
    release from the beginning.

    Raises:
        ValueError: if a key isn't of that layout.
    """
    state = {key.removeprefix('module.'): value for key, value in state.items()}
    ours: dict[str, Tensor] = {}
    for theirs, place in ENCODERS.items():
        own = {k.removeprefix(theirs): v for k, v in state.items() if _is_of(k, theirs)}
        ours |= {f'{place}{k}': v for k, v in convert_timm_vit(own).items()}
    heads = {k: v for k, v in state.items() if not _is_of(k, *ENCODERS)}
    ours |= rename_keys(heads, SECO_HEADS)
    for name, shape in {'memory.tags': (-1,), 'memory.pointer': ()}.items():
        if name in ours:
            ours[name] = ours[name].reshape(shape).long()
    if 'memory.tags' in ours:
        ours['memory.count'] = torch.tensor(len(ours['memory.tags']))
    return ours


def _is_of(key: str, *prefixes: str) -> bool:
    return key.startswith(prefixes)
