# Licensed under Apache-2.0.
"""The model and the settings that a user's arguments stand for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from mmwsss.cli.arguments import config_from
from mmwsss.io.errors import UserError

from ..zoo_models import zoo_model


def config_and_weights(
    model: str | os.PathLike | Config, weights: str | os.PathLike | None
) -> tuple[Config, str]:
    """The config, and the checkpoint's path.

    Args:
        model: path of a config, a config, or the name of a model of the zoo.
        weights: path or URL; ``None``: those of the zoo.

    Raises:
        UserError: if there are no weights, or no such model in the zoo.
        FileNotFoundError: if there is no such config.
    """
    if isinstance(model, Config):
        cfg, source = Config(model.to_dict()), 'the config'
    elif os.path.exists(model) or Path(model).suffix:
        cfg, source = config_from(model), str(model)
    else:
        config, of_zoo = zoo_model(os.fspath(model))
        cfg, source = config_from(config), str(model)
        weights = of_zoo if weights is None else weights
    if weights is None:
        raise UserError(
            f'{source} comes without weights: give a checkpoint too, or the name of a '
            'model of the zoo (python tools/download.py --list)'
        )
    return cfg, os.fspath(weights)


def refuse_truth(test_cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of ``test_cfg``, none of which reads labels.

    Raises:
        UserError: for ``cam_filter='gt'``.
    """
    if test_cfg.get('cam_filter') == 'gt':
        raise UserError(
            "cam_filter='gt' reads ground-truth labels, which inference never does: "
            "take 'pred' or 'none' (tools/eval_cam.py scores with labels)"
        )
    return dict(test_cfg)


def refuse_beside(model: nn.Module, **options: Any) -> None:
    """Refuse options that change how a model is built, beside one that is built.

    Raises:
        UserError: naming them.
    """
    given = [name for name, value in options.items() if value]
    if given:
        raise UserError(
            f'{given} belong to a model that is built here, got a built '
            f'{type(model).__name__}: give them to init_model, or give a config'
        )
