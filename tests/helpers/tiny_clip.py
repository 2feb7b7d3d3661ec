# Licensed under Apache-2.0.
"""A tiny CLIP in the layouts and containers of public files; CLIP-ES with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmwsss.methods.clip_es.clip_es import CLIPES
from mmwsss.models.converters.clip_keys import convert_clip_vision

#: widths that make every tensor small; a head of the text tower is as wide as it
WIDTH, TEXT_WIDTH, LAYERS, PATCH, GRID, EMBED = 24, 16, 3, 16, 2, 12
VOCABULARY, CONTEXT = 49408, 77


def openai_state(seed: int = 0) -> dict[str, Tensor]:
    """Random weights under OpenAI's names, multiples of 1/256: whole in half."""
    draw = torch.Generator().manual_seed(seed)

    def tensor(*shape: int) -> Tensor:
        return torch.randint(-64, 65, shape, generator=draw) / 256

    state = {
        'visual.class_embedding': tensor(WIDTH),
        'visual.positional_embedding': tensor(GRID**2 + 1, WIDTH),
        'visual.proj': tensor(WIDTH, EMBED),
        'visual.conv1.weight': tensor(WIDTH, 3, PATCH, PATCH),
        'token_embedding.weight': tensor(VOCABULARY, TEXT_WIDTH),
        'positional_embedding': tensor(CONTEXT, TEXT_WIDTH),
        'text_projection': tensor(TEXT_WIDTH, EMBED),
        'logit_scale': torch.tensor(2.5),
    }
    for name, width in {
        'visual.ln_pre': WIDTH,
        'visual.ln_post': WIDTH,
        'ln_final': TEXT_WIDTH,
    }.items():
        state |= norm(name, width)
    for tower, width in {'visual.': WIDTH, '': TEXT_WIDTH}.items():
        for i in range(LAYERS):
            block = f'{tower}transformer.resblocks.{i}.'
            state |= norm(f'{block}ln_1', width) | norm(f'{block}ln_2', width)
            for part, shape in {
                'attn.in_proj_': (3 * width, width),
                'attn.out_proj.': (width, width),
                'mlp.c_fc.': (4 * width, width),
                'mlp.c_proj.': (width, 4 * width),
            }.items():
                state[f'{block}{part}weight'] = tensor(*shape)
                state[f'{block}{part}bias'] = tensor(shape[0])
    return state


def norm(name: str, width: int) -> dict[str, Tensor]:
    """A LayerNorm that changes nothing."""
    return {f'{name}.weight': torch.ones(width), f'{name}.bias': torch.zeros(width)}


def vit_cfg(**settings: Any) -> dict[str, Any]:
    """The config of its image encoder."""
    arch = dict(
        embed_dims=WIDTH,
        num_layers=LAYERS,
        num_heads=4,
        feedforward_channels=4 * WIDTH,
    )
    sizes = dict(img_size=GRID * PATCH, patch_size=PATCH, text_dims=EMBED)
    return dict(type='CLIPViT', arch=arch) | sizes | settings


def hugging_face_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under Hugging Face's names."""
    found = {
        'logit_scale': state['logit_scale'],
        'visual_projection.weight': state['visual.proj'].t().contiguous(),
        'text_projection.weight': state['text_projection'].t().contiguous(),
        'vision_model.embeddings.class_embedding': state['visual.class_embedding'],
        'vision_model.embeddings.patch_embedding.weight': state['visual.conv1.weight'],
        'vision_model.embeddings.position_embedding.weight': state[
            'visual.positional_embedding'
        ],
        'vision_model.embeddings.position_ids': torch.arange(GRID**2 + 1)[None],
        'text_model.embeddings.token_embedding.weight': state['token_embedding.weight'],
        'text_model.embeddings.position_embedding.weight': state[
            'positional_embedding'
        ],
    }
    parts = {
        'visual.ln_pre': 'vision_model.pre_layrnorm',
        'visual.ln_post': 'vision_model.post_layernorm',
        'ln_final': 'text_model.final_layer_norm',
    }
    inside = {
        'attn.out_proj': 'self_attn.out_proj',
        'ln_1': 'layer_norm1',
        'ln_2': 'layer_norm2',
        'mlp.c_fc': 'mlp.fc1',
        'mlp.c_proj': 'mlp.fc2',
    }
    for theirs, ours in {'visual.': 'vision_model.', '': 'text_model.'}.items():
        for i in range(LAYERS):
            block = f'{theirs}transformer.resblocks.{i}.'
            place = f'{ours}encoder.layers.{i}.'
            parts |= {f'{block}{a}': f'{place}{b}' for a, b in inside.items()}
            for kind in ('weight', 'bias'):
                packed = state[f'{block}attn.in_proj_{kind}'].chunk(3)
                for name, part in zip('qkv', packed, strict=True):
                    found[f'{place}self_attn.{name}_proj.{kind}'] = part.contiguous()
    for name, place in parts.items():
        for kind in ('weight', 'bias'):
            found[f'{place}.{kind}'] = state[f'{name}.{kind}']
    return found


class Node(nn.Module):
    """A module that holds what it is given."""

    def forward(self, x: Tensor) -> Tensor:
        """TorchScript wants one."""
        return x


def save_torchscript(state: dict[str, Tensor], path: str | Path) -> None:
    """Write a TorchScript archive as OpenAI's: half precision, three whole numbers."""
    root = Node()
    numbers = dict(input_resolution=224, context_length=CONTEXT, vocab_size=VOCABULARY)
    whole = {name: torch.tensor(value) for name, value in numbers.items()}
    for name, value in (state | whole).items():
        *path_to, leaf = name.split('.')
        node: nn.Module = root
        for part in path_to:
            if not hasattr(node, part):
                node.add_module(part, Node())
            node = getattr(node, part)
        if value.is_floating_point():
            node.register_parameter(leaf, nn.Parameter(value.half()))
        else:
            node.register_buffer(leaf, value)
    torch.jit.script(root).save(str(path))


def save_safetensors(state: dict[str, Tensor], path: str | Path) -> None:
    """Write a safetensors file."""
    kinds = {torch.float32: 'F32', torch.float16: 'F16', torch.int64: 'I64'}
    header: dict[str, Any] = {'__metadata__': {'format': 'pt'}}
    body = b''
    for name, value in state.items():
        data = value.contiguous().numpy().tobytes()
        header[name] = dict(
            dtype=kinds[value.dtype],
            shape=list(value.shape),
            data_offsets=[len(body), len(body) + len(data)],
        )
        body += data
    text = json.dumps(header).encode()
    Path(path).write_bytes(len(text).to_bytes(8, 'little') + text + body)


CAM = dict(scales=(1.0,), mirror=False, pair='mean', normalise='ready', fuse_at='label')
CLASSES = 7


def clip_es_cfg(**settings: Any) -> dict[str, Any]:
    """The config of CLIP-ES with this CLIP, for the classes of Shapes."""
    return (
        dict(
            num_classes=CLASSES,
            data_preprocessor=dict(type='WeakDataPreProcessor'),
            backbone=vit_cfg(),
            texts=dict(num_background=5),
            affinity=dict(threshold=0.4, last=2),
            test_cfg=dict(outputs=('cam',), cam_filter='gt', cam=CAM),
        )
        | settings
    )


def tiny_clip_es(seed: int = 0, **settings: Any) -> CLIPES:
    """CLIP-ES with seeded random weights and texts, in evaluation mode."""
    init_default_scope('mmwsss')
    model = CLIPES(**clip_es_cfg(**settings))
    draw = torch.Generator().manual_seed(seed)
    state = model.state_dict()
    tower = convert_clip_vision(openai_state(seed))
    state.update({f'backbone.{name}': value for name, value in tower.items()})
    for name in ('texts.foreground', 'texts.background'):
        state[name] = torch.randn(state[name].shape, generator=draw)
    state['texts.logit_scale'] = torch.tensor(2.5)
    model.load_state_dict(state)
    return model.eval()
