# Licensed under Apache-2.0.
"""Key maps of published layouts (whole networks: tests/goldens)."""

from __future__ import annotations

import pytest
import torch

from mmwsss.methods.toco.toco_keys import convert_toco
from mmwsss.models.converters.vit_keys import convert_timm_vit, rename_keys, unwrap_vit


def state(*names: str) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(float(i)) for i, name in enumerate(names)}


@pytest.mark.parametrize(
    'theirs,ours',
    [
        ('cls_token', 'cls_token'),
        ('patch_embed.proj.weight', 'patch_embed.projection.weight'),
        ('blocks.11.norm2.bias', 'layers.11.ln2.bias'),
        ('blocks.0.attn.qkv.weight', 'layers.0.attn.qkv.weight'),
        ('blocks.3.mlp.fc1.weight', 'layers.3.ffn.layers.0.0.weight'),
        ('blocks.3.mlp.fc2.bias', 'layers.3.ffn.layers.1.bias'),
        ('norm.weight', 'ln1.weight'),
    ],
)
def test_timm_names(theirs: str, ours: str) -> None:
    assert list(convert_timm_vit(state(theirs))) == [ours]


@pytest.mark.parametrize(
    'dropped', ['head.weight', 'head_dist.bias', 'pre_logits.fc.weight']
)
def test_timm_classifier_is_dropped(dropped: str) -> None:
    assert not convert_timm_vit(state(dropped))


@pytest.mark.parametrize(
    'theirs,ours',
    [
        ('encoder.blocks.2.norm1.weight', 'backbone.layers.2.ln1.weight'),
        ('proj_head.mlp.4.bias', 'proj_head.mlp.4.bias'),
        ('proj_head_t.last_layer.weight_v', 'proj_head_ema.module.last_layer.weight_v'),
        ('decoder.conv8.weight', 'decode_head.conv_seg.weight'),
        ('classifier.weight', 'cam_head.classifier.weight'),
        ('aux_classifier.weight', 'aux_cam_head.classifier.weight'),
    ],
)
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_toco_names(theirs: str, ours: str, prefix: str) -> None:
    assert list(convert_toco(state(prefix + theirs))) == [ours]
    assert not convert_toco(state(f'{prefix}encoder.head.weight'))


@pytest.mark.parametrize(
    'convert,key',
    [
        (convert_timm_vit, 'blocks.0.gamma_1'),
        (convert_timm_vit, 'my.norm.weight'),
        (convert_toco, 'decoder.conv9.weight'),
        (convert_toco, 'encoder.dist_token'),
    ],
)
def test_unknown_keys_are_named(convert, key: str) -> None:
    with pytest.raises(ValueError, match=key.removeprefix('encoder.')):
        convert(state(key))


def test_rules_match_whole_keys_and_keep_values() -> None:
    values = state('a.w', 'b.w', 'drop')
    out = rename_keys(values, [(r'a\.(\w)', r'x.\1'), (r'b\.w', 'b.w'), ('drop', None)])
    assert {k: v.item() for k, v in out.items()} == {'x.w': 0.0, 'b.w': 1.0}
    with pytest.raises(ValueError, match='1 keys'):
        rename_keys(state('a.ww'), [(r'a\.w', 'y')])


def test_unwrap_finds_the_backbone() -> None:
    bare = state('layers.0.ln1.weight')
    assert unwrap_vit(bare) == bare
    nested = dict(
        state_dict={
            'backbone.layers.0.ln1.weight': bare['layers.0.ln1.weight'],
            'decode_head.w': torch.zeros(1),
        }
    )
    assert unwrap_vit(nested) == bare
    assert list(unwrap_vit(dict(model=state('norm.weight')))) == ['ln1.weight']
    with pytest.raises(ValueError, match='holds a list'):
        unwrap_vit([1])


def test_distilled_deit_keeps_its_token() -> None:
    """The backbone needs it to tell two slots of the position table from one."""
    state = {
        'model': {
            'dist_token': torch.zeros(1, 1, 4),
            'norm.bias': torch.ones(4),
            'head_dist.bias': torch.zeros(3),
        }
    }
    assert set(unwrap_vit(state)) == {'dist_token', 'ln1.bias'}
