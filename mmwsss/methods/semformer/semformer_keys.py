# Licensed under Apache-2.0.
"""Key maps from the layouts of SemFormer's released code. Pure: dict in, dict out."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mmwsss.models.converters.vit_keys import Rules, convert_timm_vit, rename_keys

#: what the pretrained net leaves in the file and nothing reads
LEFTOVERS = ('cls_token', 'dist_token', 'pos_embed', 'head.', 'head_dist.')
CAAE: Rules = (
    (r'convert\.0\.weight', 'semantics.primary.weight'),
    (r'crs\.0\.weight', 'semantics.table_weight'),
    (r're_convert\.([01])\.(weight|bias)', r'decoder.back_projection.\1.\2'),
    (r'mlp\.(weight|bias)', r'decoder.adapter.\1'),
    (r'decoder\.norm\.(weight|bias)', r'decoder.norm.\1'),
    (r'decoder\.mlp\.(weight|bias)', r'decoder.to_pixels.\1'),
)
SEGMENTOR: Rules = (
    (r'segmentor\.cls_token', 'backbone.class_tokens'),
    (r'segmentor\.cls_posembed', 'backbone.class_pos'),
    (r'segmentor\.cls_head\.(weight|bias)', r'token_head.\1'),
    (r'segmentor\.seg_head\.1\.(weight|bias)', r'cam_head.classifier.\1'),
)


def _encoder(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The encoder below ``prefix``, as keys of our backbone."""
    net = {
        k.removeprefix(f'{prefix}model.'): v
        for k, v in state.items()
        if k.startswith(f'{prefix}model.')
    }
    net = {k: v for k, v in net.items() if not k.startswith(LEFTOVERS)}
    ours = convert_timm_vit(net)
    if f'{prefix}grid_posembed' in state:
        ours['pos_embed'] = state[f'{prefix}grid_posembed']
    return {f'backbone.{k}': v for k, v in ours.items()}


def convert_caae(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Released auto-encoders → keys of :class:`~mmwsss.methods.semformer.caae.CAAE`.

    The prefix ``module.`` of parallel training and what nothing reads (class and
    distillation token, ImageNet's heads, the first position table) are dropped.

    Raises:
        ValueError: if a key isn't of that layout.
    """
    state = {k.removeprefix('module.'): v for k, v in state.items()}
    encoder, blocks = 'encoder.vit_backbone.', 'decoder.blocks.'
    layers = convert_timm_vit(
        {
            k.removeprefix('decoder.'): v
            for k, v in state.items()
            if k.startswith(blocks)
        }
    )
    rest = {k: v for k, v in state.items() if not k.startswith((encoder, blocks))}
    return (
        _encoder(state, encoder)
        | {f'decoder.{k}': v for k, v in layers.items()}
        | rename_keys(rest, CAAE)
    )


def convert_segmentor(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Released segmentors → keys of ``SemFormer``.

    What is dropped: see :func:`convert_caae`.

    Raises:
        ValueError: if a key isn't of that layout.
    """
    state = {k.removeprefix('module.'): v for k, v in state.items()}
    encoder = 'segmentor.backbone.'
    rest = {k: v for k, v in state.items() if not k.startswith(encoder)}
    return _encoder(state, encoder) | rename_keys(rest, SEGMENTOR)


def convert_semformer(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A file of either stage, told apart by its keys.

    Raises:
        ValueError: if it is of neither stage.
    """
    names = [k.removeprefix('module.') for k in state]
    if any(k.startswith('segmentor.') for k in names):
        return convert_segmentor(state)
    if 'crs.0.weight' in names:
        return convert_caae(state)
    raise ValueError(
        "it holds neither SemFormer's auto-encoder (crs.0.weight) nor its segmentor "
        f'(segmentor.*), but e.g. {sorted(names)[:5]}'
    )
