# Licensed under Apache-2.0.
"""Key maps of CLIP's public files. Pure: dict in, dict out.

OpenAI's layout is open_clip's, too; Hugging Face's is brought into it first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .vit_keys import Rules, rename_keys

_BLOCK = r'transformer\.resblocks\.(\d+)\.'
#: OpenAI's vision tower, without ``visual.`` → :class:`.CLIPViT`
CLIP_VISION: Rules = (
    (r'conv1\.weight', 'patch_embed.projection.weight'),
    (r'class_embedding', 'cls_token'),
    (r'positional_embedding', 'pos_embed'),
    (r'positional_embedding_new', None),  # WeCLIP's last resized table
    (r'ln_pre\.(\w+)', r'pre_norm.\1'),
    (r'ln_post\.(\w+)', r'ln1.\1'),
    (r'proj', 'proj'),
    (_BLOCK + r'ln_([12])\.(\w+)', r'layers.\1.ln\2.\3'),
    (_BLOCK + r'attn\.in_proj_(\w+)', r'layers.\1.attn.qkv.\2'),
    (_BLOCK + r'attn\.out_proj\.(\w+)', r'layers.\1.attn.proj.\2'),
    (_BLOCK + r'mlp\.c_fc\.(\w+)', r'layers.\1.ffn.layers.0.0.\2'),
    (_BLOCK + r'mlp\.c_proj\.(\w+)', r'layers.\1.ffn.layers.1.\2'),
)
#: OpenAI's text tower → mmseg's ``CLIPTextEncoder``
CLIP_TEXT: Rules = (
    (r'(token_embedding\.weight|positional_embedding|text_projection)', r'\1'),
    (r'(ln_final\.\w+|logit_scale)', r'\1'),
    (r'(input_resolution|context_length|vocab_size|logit_bias|attn_mask)', None),
    (r'vocabulary', None),  # of a tiny text tower: the tokens that it knows
    (_BLOCK + r'attn\.(.*)', r'transformer.\1.attentions.0.attn.\2'),
    (_BLOCK + r'ln_1\.(\w+)', r'transformer.\1.norms.0.\2'),
    (_BLOCK + r'ln_2\.(\w+)', r'transformer.\1.norms.1.\2'),
    (_BLOCK + r'mlp\.c_fc\.(\w+)', r'transformer.\1.ffns.0.layers.0.0.\2'),
    (_BLOCK + r'mlp\.c_proj\.(\w+)', r'transformer.\1.ffns.0.layers.1.\2'),
)
_LAYER = r'encoder\.layers\.(\d+)\.'
_HF_BLOCK: Rules = (
    (_LAYER + r'layer_norm([12])\.(\w+)', r'transformer.resblocks.\1.ln_\2.\3'),
    (_LAYER + r'self_attn\.in_proj_(\w+)', r'transformer.resblocks.\1.attn.in_proj_\2'),
    (
        _LAYER + r'self_attn\.out_proj\.(\w+)',
        r'transformer.resblocks.\1.attn.out_proj.\2',
    ),
    (_LAYER + r'mlp\.fc1\.(\w+)', r'transformer.resblocks.\1.mlp.c_fc.\2'),
    (_LAYER + r'mlp\.fc2\.(\w+)', r'transformer.resblocks.\1.mlp.c_proj.\2'),
    (r'embeddings\.position_ids', None),
)
#: Hugging Face's towers, without their prefix → OpenAI's, without ``visual.``
HF_VISION: Rules = (
    (r'embeddings\.class_embedding', 'class_embedding'),
    (r'embeddings\.patch_embedding\.weight', 'conv1.weight'),
    (r'embeddings\.position_embedding\.weight', 'positional_embedding'),
    (r'pre_layrnorm\.(\w+)', r'ln_pre.\1'),  # misspelt there
    (r'post_layernorm\.(\w+)', r'ln_post.\1'),
    *_HF_BLOCK,
)
HF_TEXT: Rules = (
    (r'embeddings\.token_embedding\.weight', 'token_embedding.weight'),
    (r'embeddings\.position_embedding\.weight', 'positional_embedding'),
    (r'final_layer_norm\.(\w+)', r'ln_final.\1'),
    *_HF_BLOCK,
)
_QKV = re.compile(r'(.*self_attn\.)q_proj\.(weight|bias)')


def openai_layout(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of any public CLIP file under OpenAI's names.

    Args:
        state: tensors of OpenAI's, open_clip's or Hugging Face's layout.

    Raises:
        ValueError: if it is none of these.
    """
    if 'visual.proj' in state or 'visual.conv1.weight' in state:
        return dict(state)
    if any(key.startswith('vision_model.') for key in state):
        return _from_hugging_face(state)
    raise ValueError(
        f'its {len(state)} tensors are no CLIP with a ViT, e.g. {list(state)[:3]}: '
        "OpenAI's, open_clip's and Hugging Face's layouts have visual.conv1.weight or "
        'vision_model.*'
    )


def _from_hugging_face(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    joined = dict(state)
    for key in state:
        if match := _QKV.fullmatch(key):
            stem, kind = match.groups()
            parts = [joined.pop(f'{stem}{one}_proj.{kind}') for one in 'qkv']
            joined[f'{stem}in_proj_{kind}'] = torch.cat(parts)
    towers = {
        'vision_model.': (HF_VISION, 'visual.'),
        'text_model.': (HF_TEXT, ''),
    }
    found: dict[str, Tensor] = {}
    for prefix, (rules, ours) in towers.items():
        own = {
            k.removeprefix(prefix): v for k, v in joined.items() if k.startswith(prefix)
        }
        found |= {f'{ours}{k}': v for k, v in rename_keys(own, rules).items()}
    rest = {k: v for k, v in joined.items() if not k.startswith(tuple(towers))}
    for name, place in {
        'visual_projection.weight': 'visual.proj',
        'text_projection.weight': 'text_projection',
    }.items():
        if name in rest:
            found[place] = rest.pop(name).t().contiguous()  # a Linear's, out x in
    return found | rest


def convert_clip_vision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """OpenAI's names → keys of :class:`~mmwsss.models.backbones.clip_vit.CLIPViT`.

    Args:
        state: whole CLIP or its vision tower; what is no ``visual.`` is left out.

    Returns:
        float32 tensors.

    Raises:
        ValueError: if a key isn't of that layout (a ResNet's, say).
    """
    own = {
        k.removeprefix('visual.'): v for k, v in state.items() if k.startswith('visual')
    }
    found = {k: v.float() for k, v in rename_keys(own, CLIP_VISION).items()}
    for name, dims in {'cls_token': 3, 'pos_embed': 3}.items():
        while name in found and found[name].dim() < dims:
            found[name] = found[name][None]
    return found


def convert_clip_text(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """OpenAI's names → keys of mmseg's ``CLIPTextEncoder``; ``visual.`` is left out.

    Raises:
        ValueError: if a key isn't of that layout.
    """
    own = {k: v for k, v in state.items() if not k.startswith('visual.')}
    return {k: v.float() for k, v in rename_keys(own, CLIP_TEXT).items()}


#: :class:`.CLIPViT` → OpenAI's vision tower
_TO_VISION: Rules = (
    (r'patch_embed\.projection\.weight', 'conv1.weight'),
    (r'cls_token', 'class_embedding'),
    (r'pos_embed', 'positional_embedding'),
    (r'pre_norm\.(\w+)', r'ln_pre.\1'),
    (r'ln1\.(\w+)', r'ln_post.\1'),
    (r'proj', 'proj'),
    (r'layers\.(\d+)\.ln([12])\.(\w+)', r'transformer.resblocks.\1.ln_\2.\3'),
    (
        r'layers\.(\d+)\.attn\.qkv\.(\w+)',
        r'transformer.resblocks.\1.attn.in_proj_\2',
    ),
    (
        r'layers\.(\d+)\.attn\.proj\.(\w+)',
        r'transformer.resblocks.\1.attn.out_proj.\2',
    ),
    (
        r'layers\.(\d+)\.ffn\.layers\.0\.0\.(\w+)',
        r'transformer.resblocks.\1.mlp.c_fc.\2',
    ),
    (
        r'layers\.(\d+)\.ffn\.layers\.1\.(\w+)',
        r'transformer.resblocks.\1.mlp.c_proj.\2',
    ),
)
_TOWER = r'transformer\.(\d+)\.'
#: mmseg's ``CLIPTextEncoder`` → OpenAI's text tower
_TO_TEXT: Rules = (
    (r'(token_embedding\.weight|positional_embedding|text_projection)', r'\1'),
    (r'(ln_final\.\w+|logit_scale)', r'\1'),
    (_TOWER + r'attentions\.0\.attn\.(.*)', r'transformer.resblocks.\1.attn.\2'),
    (_TOWER + r'norms\.0\.(\w+)', r'transformer.resblocks.\1.ln_1.\2'),
    (_TOWER + r'norms\.1\.(\w+)', r'transformer.resblocks.\1.ln_2.\2'),
    (_TOWER + r'ffns\.0\.layers\.0\.0\.(\w+)', r'transformer.resblocks.\1.mlp.c_fc.\2'),
    (_TOWER + r'ffns\.0\.layers\.1\.(\w+)', r'transformer.resblocks.\1.mlp.c_proj.\2'),
)


def openai_names(
    vision: Mapping[str, Tensor], text: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Both towers under OpenAI's names, from ours and mmseg's.

    Raises:
        ValueError: if a key isn't of these towers.
    """
    found = {f'visual.{k}': v for k, v in rename_keys(vision, _TO_VISION).items()}
    for name in ('class_embedding', 'positional_embedding'):
        found[f'visual.{name}'] = found[f'visual.{name}'].squeeze()
    return found | rename_keys(text, _TO_TEXT)


def unwrap_clip_vision(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The vision tower of any file: a public CLIP's, or one of ours.

    Args:
        state: the loaded file: bare tensors, or nested under ``state_dict``, there
            possibly with a ``backbone.`` prefix.

    Raises:
        ValueError: if these aren't named tensors or the names are of no known layout.
    """
    if not isinstance(state, Mapping):
        raise ValueError(f'it holds a {type(state).__name__}, not named tensors')
    if isinstance(state.get('state_dict'), Mapping):
        state = state['state_dict']
    ours = 'backbone.'
    if any(key.startswith(ours) for key in state):
        state = {
            k.removeprefix(ours): v for k, v in state.items() if k.startswith(ours)
        }
    if any(key.startswith('layers.') for key in state):
        return dict(state)
    return convert_clip_vision(openai_layout(state))
