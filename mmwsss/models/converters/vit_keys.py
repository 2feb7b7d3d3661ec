# Licensed under Apache-2.0.
"""Key maps from published checkpoint layouts to ours. Pure: dict in, dict out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

Rules = Sequence[tuple[str, str | None]]

#: timm's (and DeiT's) ViT → mmpretrain's
TIMM_VIT: Rules = (
    (r'(cls_token|pos_embed)', r'\1'),
    (r'patch_embed\.proj\.(weight|bias)', r'patch_embed.projection.\1'),
    (r'blocks\.(\d+)\.norm([12])\.(\w+)', r'layers.\1.ln\2.\3'),
    (r'blocks\.(\d+)\.attn\.(qkv|proj)\.(\w+)', r'layers.\1.attn.\2.\3'),
    (r'blocks\.(\d+)\.mlp\.fc1\.(\w+)', r'layers.\1.ffn.layers.0.0.\2'),
    (r'blocks\.(\d+)\.mlp\.fc2\.(\w+)', r'layers.\1.ffn.layers.1.\2'),
    (r'norm\.(weight|bias)', r'ln1.\1'),
    (r'head(_dist)?\.(weight|bias)', None),
    (r'pre_logits\..*', None),
)


def rename_keys(state: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Rename every key by the first rule that matches it whole.

    Args:
        state: parameter name → tensor.
        rules: pairs of a regular expression and its replacement, ``None`` to drop.

    Raises:
        ValueError: if no rule matches a key.
    """
    renamed, unknown = {}, []
    for key, value in state.items():
        for pattern, target in rules:
            if match := re.fullmatch(pattern, key):
                if target is not None:
                    renamed[match.expand(target)] = value
                break
        else:
            unknown.append(key)
    if unknown:
        raise ValueError(
            f'{len(unknown)} keys are not of this layout, e.g. {unknown[:5]}: is it a '
            'checkpoint of another method or version?'
        )
    return renamed


def convert_timm_vit(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """timm / DeiT ViT weights → keys of :class:`~mmwsss.models.backbones.vit.WSSSViT`.

    The ImageNet classifier is dropped.
    """
    return rename_keys(state, TIMM_VIT)


def unwrap_vit(state: Mapping) -> dict[str, Tensor]:
    """Find ViT weights in any public file: timm, DeiT, mmpretrain, mmwsss.

    Args:
        state: the loaded file: bare tensors, or nested under ``model`` (DeiT) or
            ``state_dict`` (mmengine), there possibly with a ``backbone.`` prefix.

    Returns:
        Keys of :class:`~mmwsss.models.backbones.vit.WSSSViT`.

    Raises:
        ValueError: if these aren't named tensors or the names are of no known layout.
    """
    if not isinstance(state, Mapping):
        raise ValueError(f'it holds a {type(state).__name__}, not named tensors')
    for nest in ('state_dict', 'model'):
        if isinstance(state.get(nest), Mapping):
            state = state[nest]
    if any(key.startswith('backbone.') for key in state):
        state = {
            k.removeprefix('backbone.'): v
            for k, v in state.items()
            if k.startswith('backbone.')
        }
    if any(key.startswith('layers.') for key in state):
        return {k: v for k, v in state.items() if not k.startswith('head.')}
    distilled = {k: v for k, v in state.items() if k == 'dist_token'}
    return distilled | convert_timm_vit(
        {k: v for k, v in state.items() if k not in distilled}
    )
