# Licensed under Apache-2.0.
"""Key map of WeCLIP's and WeCLIP+'s released checkpoints. Pure: dict in, dict out."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mmwsss.models.converters.vit_keys import Rules, rename_keys

_BLOCK = r'decoder\.transformer\.resblocks\.(\d+)\.'
#: what is trained; CLIP itself and PAR's constant kernel are dropped
WECLIP: Rules = (
    (r'(encoder|dino_encoder)\..*', None),
    (r'par\.kernel', None),
    (
        r'decoder_fts_fuse\.linears_modulelist\.(\d+)\.proj\.(\w+)',
        r'decode_head.fusion.projections.\1.0.\2',
    ),
    (
        r'decoder_fts_fuse\.linears_modulelist\.(\d+)\.proj_2\.(\w+)',
        r'decode_head.fusion.projections.\1.2.\2',
    ),
    (r'decoder_fts_fuse\.linear_fuse\.(\w+)', r'decode_head.fusion.merge.\1'),
    (
        r'dino_decoder_fts_fuse\.linears_modulelist\.0\.proj\.(\w+)',
        r'dino_fusion.projections.0.0.\1',
    ),
    (
        r'dino_decoder_fts_fuse\.linears_modulelist\.0\.proj_2\.(\w+)',
        r'dino_fusion.projections.0.2.\1',
    ),
    (r'dino_decoder_fts_fuse\.linear_fuse\.(\w+)', r'dino_fusion.merge.\1'),
    (_BLOCK + r'attn\.in_proj_(\w+)', r'decode_head.blocks.\1.attn.qkv.\2'),
    (_BLOCK + r'attn\.out_proj\.(\w+)', r'decode_head.blocks.\1.attn.proj.\2'),
    (_BLOCK + r'ln_([12])\.(\w+)', r'decode_head.blocks.\1.ln\2.\3'),
    (_BLOCK + r'mlp\.c_fc\.(\w+)', r'decode_head.blocks.\1.ffn.layers.0.0.\2'),
    (_BLOCK + r'mlp\.c_proj\.(\w+)', r'decode_head.blocks.\1.ffn.layers.1.\2'),
    (r'decoder\.linear_pred\.(\w+)', r'decode_head.conv_seg.\1'),
)


def convert_weclip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """WeCLIP's released checkpoints → keys of :class:`.WeCLIP`, :class:`.WeCLIPPlus`.

    The frozen encoders, which every released file carries along, are dropped.

    Raises:
        ValueError: if a key isn't of that layout.
    """
    return rename_keys(
        {key.removeprefix('module.'): value for key, value in state.items()}, WECLIP
    )
