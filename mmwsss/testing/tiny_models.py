# Licensed under Apache-2.0.
"""Tiny networks from a method's config, with seeded random weights."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import init_default_scope

from mmwsss.cli.inference_options import segmentor_cfg
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.teachers.ema_copy import EMACopy
from mmwsss.models.teachers.frozen_parts import FrozenParts
from mmwsss.pipeline.inference import dataset_meta
from mmwsss.registry import MODELS

from .config_files import ConfigLike, load_config


def build(
    config: ConfigLike, seed: int = 0, backbone: dict | None = None, **train_cfg: Any
) -> WeakSegmentor:
    """A network with seeded random weights; no file is read but the config.

    The averaged copies of a teacher are moved a little, so that teacher and student
    can be told apart.

    Args:
        config: path of a config, see :func:`find_config`, or a whole config.
        seed: of the random weights.
        backbone: settings of the backbone that differ from the config's.
        **train_cfg: entries of ``model.train_cfg`` that differ from the config's.
    """
    cfg = load_config(config)
    init_default_scope(cfg.get('default_scope', 'mmwsss'))
    without_pretrained(segmentor_cfg(cfg).backbone).update(backbone or {})
    if train_cfg:
        cfg.model.train_cfg.update(train_cfg)
    with tempfile.TemporaryDirectory() as folder:
        cfg.model.update(earlier_stages(cfg.model, folder, seed))
        torch.manual_seed(seed)
        model = MODELS.build(cfg.model)
        for module in model.modules():
            if isinstance(module, FrozenParts):
                module.loaded = True  # reads no file
        model.init_weights()
        start_frozen(model)
    if hasattr(model, 'use_metainfo'):
        model.use_metainfo(dataset_meta(cfg))
    for module in model.modules():
        if isinstance(module, EMACopy):
            for parameter in module.parameters():
                parameter.data += 0.01 * torch.randn_like(parameter)
    return model


def start_frozen(model: torch.nn.Module) -> None:
    """Random weights for parts that come from files of their own.

    They are the same for every seed: no checkpoint holds them.
    """
    draw = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, FrozenParts):
            for part in module.parts:
                for value in getattr(model, part).state_dict().values():
                    noise = torch.randn(value.shape, generator=draw)
                    if value.dim() == 0:  # a scale of logits: nothing is certain
                        value.fill_(2.0)
                    elif value.dim() == 1:  # norms: near 1
                        value.copy_(value.round() + 0.05 * noise)
                    else:
                        value.copy_(0.2 * noise)


def without_pretrained(backbone: dict) -> dict:
    """A backbone's settings, changed so that no file of weights is read."""
    if 'pretrained' in backbone:
        backbone['pretrained'] = None
    if (backbone.get('init_cfg') or {}).get('type') == 'Pretrained':
        backbone['init_cfg'] = None
    return backbone


def earlier_stages(model: dict, folder: str | Path, seed: int = 0) -> dict[str, Any]:
    """Make the checkpoints that a network is trained from, with random weights.

    Such are the checkpoint of a part that names one beside its own settings
    (SemFormer's ``caae``), and that of the network around which self-training is
    (``segmentor``).

    Args:
        model: the network's config.
        folder: where the checkpoints are written.
        seed: of the weights of ``segmentor``; parts have seed 0.

    Returns:
        The entries of ``model`` that name the checkpoints; empty without any.
    """
    found: dict[str, Any] = {}
    for name, part in model.items():
        if isinstance(part, dict) and {'type', 'checkpoint'} <= set(part):
            file = earlier_stage(part, folder, model['num_classes'])
            found[name] = dict(part, checkpoint=file)
    if 'segmentor' in model:
        base = dict(model['segmentor'])
        base['backbone'] = without_pretrained(dict(base['backbone']))
        found['checkpoint'] = earlier_stage(base, folder, base['num_classes'], seed)
    return found


def earlier_stage(
    cfg: dict, folder: str | Path, num_classes: int, seed: int = 0
) -> str:
    """The checkpoint of an earlier stage's network with seeded random weights."""
    torch.manual_seed(seed)
    settings = {k: v for k, v in cfg.items() if k != 'checkpoint'}
    network = MODELS.build(settings | dict(num_classes=num_classes))
    network.init_weights()
    path = Path(folder) / 'earlier.pth'
    torch.save(dict(state_dict=network.state_dict()), path)
    return str(path)


def still_teacher(model: WeakSegmentor) -> None:
    """Teacher = student, so that following changes nothing."""
    for name, module in model.named_children():
        if isinstance(module, EMACopy):
            module.start_from(getattr(model, name.removesuffix('_ema')))
