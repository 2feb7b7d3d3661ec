# Licensed under Apache-2.0.
"""Key maps of the Mix Transformer and of AFA. Pure: dict in, dict out."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from mmwsss.models.converters.vit_keys import Rules, rename_keys

#: SegFormer's MiT → mmseg's, stages still counted from 1; queries, keys and values
#: are joined before
SEGFORMER_MIT: Rules = (
    (r'patch_embed(\d)\.proj\.(\w+)', r'layers.\1.0.projection.\2'),
    (r'patch_embed(\d)\.norm\.(\w+)', r'layers.\1.0.norm.\2'),
    (r'block(\d)\.(\d+)\.(norm[12])\.(\w+)', r'layers.\1.1.\2.\3.\4'),
    (r'block(\d)\.(\d+)\.attn\.(in_proj_\w+)', r'layers.\1.1.\2.attn.attn.\3'),
    (r'block(\d)\.(\d+)\.attn\.proj\.(\w+)', r'layers.\1.1.\2.attn.attn.out_proj.\3'),
    (r'block(\d)\.(\d+)\.attn\.(sr|norm)\.(\w+)', r'layers.\1.1.\2.attn.\3.\4'),
    (r'block(\d)\.(\d+)\.mlp\.fc1\.(\w+)', r'layers.\1.1.\2.ffn.layers.0.\3'),
    (
        r'block(\d)\.(\d+)\.mlp\.dwconv\.dwconv\.(\w+)',
        r'layers.\1.1.\2.ffn.layers.1.\3',
    ),
    (r'block(\d)\.(\d+)\.mlp\.fc2\.(\w+)', r'layers.\1.1.\2.ffn.layers.4.\3'),
    (r'norm(\d)\.(\w+)', r'layers.\1.2.\2'),
    (r'head\.(weight|bias)', None),
)

#: the rest of AFA's released checkpoints
AFA_HEADS: Rules = (
    (r'decoder\.linear_c1\.proj\.(\w+)', r'decode_head.convs.0.conv.\1'),
    (r'decoder\.linear_c2\.proj\.(\w+)', r'decode_head.convs.1.conv.\1'),
    (r'decoder\.linear_c3\.proj\.(\w+)', r'decode_head.convs.2.conv.\1'),
    (r'decoder\.linear_c4\.proj\.(\w+)', r'decode_head.convs.3.conv.\1'),
    (r'decoder\.linear_fuse\.(conv|bn)\.(\w+)', r'decode_head.fusion_conv.\1.\2'),
    (r'decoder\.linear_pred\.(\w+)', r'decode_head.conv_seg.\1'),
    (r'attn_proj\.(\w+)', r'affinity_head.proj.\1'),
    (r'classifier\.weight', r'cam_head.classifier.weight'),
)
FUSION = 'decode_head.fusion_conv.conv.weight'


def join_projections(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``attn.q`` and ``attn.kv`` (keys first) → ``attn.in_proj_…`` (q, k, v).

    Raises:
        ValueError: if one of the two is missing.
    """
    joined = {}
    for key, value in state.items():
        match = re.fullmatch(r'(.*\.attn\.)(q|kv)\.(weight|bias)', key)
        if match is None:
            joined[key] = value
            continue
        stem, which, kind = match.groups()
        other = f'{stem}{dict(q="kv", kv="q")[which]}.{kind}'
        if other not in state:
            raise ValueError(f'the file has {key}, but not {other}: it is incomplete')
        if which == 'q':
            joined[f'{stem}in_proj_{kind}'] = torch.cat([value, state[other]])
    return joined


def convert_segformer_mit(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """SegFormer's MiT weights → keys of :class:`~mmwsss.methods.afa.mit.WSSSMiT`.

    The ImageNet classifier is dropped.

    Raises:
        ValueError: if a key isn't of that layout.
    """
    renamed = rename_keys(join_projections(state), SEGFORMER_MIT)
    out = {}
    for key, value in renamed.items():
        _, stage, rest = key.split('.', 2)
        if re.search(r'ffn\.layers\.[04]\.weight', rest):
            value = value[..., None, None]  # mmseg's MLP is made of 1×1 convolutions
        out[f'layers.{int(stage) - 1}.{rest}'] = value
    return out


def convert_afa(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """AFA's released checkpoints → keys of :class:`~mmwsss.methods.afa.afa.AFA`.

    The DDP prefix ``module.`` is dropped; the decoder's fusion takes the stages in the
    order 4, 3, 2, 1, ours in mmseg's 1, 2, 3, 4.

    Raises:
        ValueError: if a key isn't of that layout.
    """
    state = {key.removeprefix('module.'): value for key, value in state.items()}
    encoder = {
        k.removeprefix('encoder.'): v
        for k, v in state.items()
        if k.startswith('encoder.')
    }
    heads = {k: v for k, v in state.items() if not k.startswith('encoder.')}
    backbone = {f'backbone.{k}': v for k, v in convert_segformer_mit(encoder).items()}
    renamed = rename_keys(heads, AFA_HEADS)
    renamed |= {
        k: v[..., None, None]
        for k, v in renamed.items()
        if re.fullmatch(r'decode_head\.convs\.\d\.conv\.weight', k)
    }
    if FUSION in renamed:
        renamed[FUSION] = torch.cat(renamed[FUSION].chunk(4, dim=1)[::-1], dim=1)
    return backbone | renamed


def unwrap_mit(state: Mapping) -> dict[str, Tensor]:
    """Find MiT weights in any public file: SegFormer, mmseg, mmwsss.

    Args:
        state: the loaded file: bare tensors, or nested under ``state_dict``
            (mmengine), there possibly with a ``backbone.`` prefix.

    Returns:
        Keys of :class:`~mmwsss.methods.afa.mit.WSSSMiT`.

    Raises:
        ValueError: if these aren't named tensors or the names are of no known layout.
    """
    if not isinstance(state, Mapping):
        raise ValueError(f'it holds a {type(state).__name__}, not named tensors')
    if isinstance(state.get('state_dict'), Mapping):
        state = state['state_dict']
    if any(key.startswith('backbone.') for key in state):
        state = {
            k.removeprefix('backbone.'): v
            for k, v in state.items()
            if k.startswith('backbone.')
        }
    if any(key.startswith('layers.') for key in state):
        return {k: v for k, v in state.items() if not k.startswith('head.')}
    return convert_segformer_mit(state)
