# Licensed under Apache-2.0.
"""What is to be known of a checkpoint before its weights are given away."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmwsss.cli.inference_options import segmentor_cfg
from mmwsss.cli.launch import replace_sync_bn
from mmwsss.io.errors import UserError
from mmwsss.io.initial_weights import Backbone
from mmwsss.io.plain import restore_message_hub

from .fingerprint import changes_in_words

#: last iterations of which the training log's figures are the mean
WINDOW = 50
_FILES = ('pretrained', 'init_cfg', 'checkpoint')
_LOGGED = ('train/loss', 'train/label_')
#: weights of this repository, made by tools/misc/pretrain_tiny.py
OWN_WEIGHTS = 'demo/weights/'


def initial_weights(cfg: Config) -> str | None:
    """The file that a network's encoder begins with, as the config names it.

    A frozen encoder's is what its own file was made of: the config's ``pretrained``.
    """
    network = segmentor_cfg(cfg)
    backbone = network.get('backbone', {})
    init = backbone.get('init_cfg') or {}
    return (
        backbone.get('pretrained')
        or init.get('checkpoint')
        or network.get('pretrained')
        or cfg.get('pretrained')
    )


def origin_of(cfg: Config, known: Mapping[str, Backbone]) -> str:
    """Whose initial weights a config trains from, with their licence.

    Args:
        cfg: the config.
        known: see :func:`.backbones`; those with a licence may be passed on.

    Raises:
        UserError: if the licence isn't known, so that nothing may be given away unseen.
    """
    source = initial_weights(cfg)
    if source is None:
        return 'none'
    if source.startswith(OWN_WEIGHTS):
        return "mmwsss's own, from drawn pictures (Apache-2.0)"
    for one in known.values():
        if one.is_of(source) and one.licence is not None:
            return f'{one.architecture}, {one.trained_on}, {one.licence}'
    raise UserError(
        f'the licence of the initial weights {source} is not known here: check that '
        'they may be passed on, then say so with --origin "NAME (AUTHORS, LICENCE)"'
    )


@contextmanager
def _without_own_folders() -> Iterator[None]:
    """Without the variables that name this machine's folders in configs."""
    mine = {k: v for k, v in os.environ.items() if k.startswith('MMWSSS_')}
    for key in mine:
        del os.environ[key]
    try:
        yield
    finally:
        os.environ.update(mine)


def config_as_written(path: str | Path) -> Config:
    """The whole config of a file, the same on every machine."""
    with _without_own_folders():
        return Config.fromfile(path)


def check_same_settings(
    cfg: Config, checkpoint: Mapping[str, Any], source: str
) -> None:
    """Refuse a checkpoint that was trained with other settings than the config's.

    Args:
        cfg: the config that the weights are to be published for.
        checkpoint: what training saved; a bare state dict says nothing of settings.
        source: its file name, for the message.

    Raises:
        UserError: with the differences.
    """
    text = (checkpoint.get('meta') or {}).get('cfg')
    if text is None:
        return
    ran = Config.fromstring(text, '.py')
    changes = changes_in_words(*_both_name_widths(_decisive(cfg), _decisive(ran)))
    if changes:
        raise UserError(
            f'{source} was trained with other settings than {cfg.filename} (config → '
            f'run): {changes}. Publish it for a config that has these settings'
        )


def _decisive(cfg: Config) -> dict[str, Any]:
    """What the weights depend on, as it is on any machine."""
    cfg = Config(cfg.to_dict())
    replace_sync_bn(cfg.model)  # as on a CPU
    wrapper = cfg.get('optim_wrapper') or {}
    return dict(
        model=_without_files(cfg.model.to_dict()),
        train_cfg=(cfg.get('train_cfg') or {}).get('max_iters'),
        optimizer=wrapper.get('optimizer'),
        paramwise_cfg=wrapper.get('paramwise_cfg'),
        batch_size=(cfg.get('train_dataloader') or {}).get('batch_size'),
    )


def _both_name_widths(one: Any, other: Any) -> tuple[Any, Any]:
    """Two settings without the ``in_channels`` that one of them leaves to the backbone.

    Such a head has the width of the maps that it reads; another is refused when a
    network is built.
    """
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return one, other
    pairs = {
        key: _both_name_widths(one[key], other[key]) for key in one if key in other
    }
    sides = []
    for i, (mine, theirs) in enumerate(((one, other), (other, one))):
        kept = {k: v for k, v in mine.items() if k in theirs or k != 'in_channels'}
        sides.append({k: pairs[k][i] if k in pairs else v for k, v in kept.items()})
    return sides[0], sides[1]


def _without_files(value: Any) -> Any:
    """Settings without the files of weights that they name.

    A resumed run doesn't ask for initial ones, a pipeline names those of its stages.
    """
    if isinstance(value, Mapping):
        kept = {k: v for k, v in value.items() if k not in _FILES}
        return {key: _without_files(item) for key, item in kept.items()}
    if isinstance(value, (list, tuple)):
        return [_without_files(item) for item in value]
    return value


def training_figures(checkpoint: Mapping[str, Any]) -> dict[str, float]:
    """Losses and label shares of the last iterations, from a checkpoint's own log."""
    logged = restore_message_hub(checkpoint.get('message_hub') or {})['log_scalars']
    return {
        name.removeprefix('train/'): round(float(buffer.mean(WINDOW)), 4)
        for name, buffer in logged.items()
        if name.startswith(_LOGGED) and buffer.data[0].size
    }
