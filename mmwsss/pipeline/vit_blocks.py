# Licensed under Apache-2.0.
"""A ViT's blocks, looked at from outside: tokens and attention of each.

Nothing of it is in a network: hooks are there while a tool looks, and compute the
attention beside the fused one, which stays as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import Tensor, nn

from mmwsss.cli.arguments import config_from
from mmwsss.cli.inference_options import segmentor_cfg
from mmwsss.cli.launch import prepare_run
from mmwsss.engine.hooks.cam_panel_hook import plain_view
from mmwsss.evaluation.attention import attention_weights
from mmwsss.io.errors import UserError
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.pipeline.inference import init_model

#: stands for the weights that a training starts from
START = 'pretrained'
Reduce = Callable[[Tensor], Tensor]


def load_vit(config: str | Path, checkpoint: str) -> nn.Module:
    """The model whose blocks are looked at.

    Args:
        config: of a network with a ViT.
        checkpoint: file, or :data:`START`.

    Raises:
        UserError: if its backbone has no blocks of tokens.
    """
    cfg = config_from(config)
    start = segmentor_cfg(cfg).get('backbone', {}).get('pretrained')
    model = init_model(cfg, None if checkpoint == START else checkpoint)
    backbone = unwrap(model).backbone
    if not hasattr(backbone, 'layers') or not hasattr(backbone, 'num_extra_tokens'):
        raise UserError(
            f'{type(backbone).__name__} of {config} is no ViT: no blocks of tokens'
        )
    if checkpoint == START:
        backbone.pretrained = start
        _initialise(backbone)
    return model


def _initialise(backbone: nn.Module) -> None:
    """Load the initial weights without mmengine's lines on every parameter."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        backbone.init_weights()
    finally:
        logger.setLevel(level)


def validation_batches(config: str | Path, photos: int) -> list[Any]:
    """The first photos of a config's validation split, as its loader gives them.

    Args:
        config: path of a config with ``val_dataloader``.
        photos: how many.

    Raises:
        UserError: if the config has none.
    """
    cfg: Config = prepare_run(config_from(config))
    init_default_scope(cfg.get('default_scope', 'mmwsss'))
    if not cfg.get('val_dataloader'):
        raise UserError(f'{config} has no val_dataloader to take photos from')
    loader = cfg.val_dataloader
    loader.dataset.indices = photos
    loader.update(num_workers=0, persistent_workers=False)
    return list(Runner.build_dataloader(loader))


@torch.no_grad()
def encode_each(model: nn.Module, batches: Sequence[dict]) -> None:
    """Let the backbone see each photo at its own size; hooks take what they want."""
    backbone = unwrap(model).backbone
    for batch in batches:
        inputs = plain_view(model.data_preprocessor(batch, False)['inputs'])
        for image in inputs:
            backbone(image[None])


@contextmanager
def token_taps(backbone: nn.Module, reduce: Reduce) -> Iterator[list[list[Tensor]]]:
    """What ``reduce`` makes of the patch tokens (B, N, D) after each block.

    Yields:
        For each block a list, with an entry for each pass of the backbone.
    """

    def patches(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        return output[:, backbone.num_extra_tokens :]

    with _taps(list(backbone.layers), patches, reduce) as found:
        yield found


@contextmanager
def attention_taps(backbone: nn.Module, reduce: Reduce) -> Iterator[list[list[Tensor]]]:
    """What ``reduce`` makes of the attention (B, heads, N, N) of each block.

    Args:
        backbone: mmpretrain's ViT, or one that is derived from it.
        reduce: called at once, so that no map of all tokens is kept.

    Yields:
        For each block a list, with an entry for each pass of the backbone.

    Raises:
        UserError: if its blocks compute attention in another way.
    """
    modules = [getattr(layer, 'attn', None) for layer in backbone.layers]
    if not all(hasattr(module, 'qkv') for module in modules):
        raise UserError(
            f'the blocks of {type(backbone).__name__} have no queries and keys to look '
            'at (attn.qkv, as in mmpretrain)'
        )
    with _taps(modules, _attention, reduce) as found:
        yield found


def _attention(module: nn.Module, inputs: Any, _: Tensor) -> Tensor:
    """Once more what the block has just computed, by its own queries and keys."""
    tokens = inputs[0]
    batch, count, _width = tokens.shape
    parts = module.qkv(tokens).reshape(
        batch, count, 3, module.num_heads, module.head_dims
    )
    queries, keys, _values = parts.permute(2, 0, 3, 1, 4)
    return attention_weights(queries, keys, module.head_dims**-0.5)


@contextmanager
def _taps(
    modules: Sequence[Any], look: Callable[..., Tensor], reduce: Reduce
) -> Iterator[list[list[Tensor]]]:
    found: list[list[Tensor]] = [[] for _ in modules]

    def hook(block: int) -> Callable[..., None]:
        return lambda *seen: found[block].append(reduce(look(*seen)))

    handles = [m.register_forward_hook(hook(i)) for i, m in enumerate(modules)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
