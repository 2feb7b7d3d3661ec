# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from mmwsss.io.checkpoint import load_checkpoint_file
from mmwsss.io.errors import UserError
from mmwsss.io.published import load_to_predict
from mmwsss.io.weights import FIX
from mmwsss.registry import MODELS


class FrozenNetwork(nn.Module):
    """A network of an earlier stage that judges this one while it learns.

    It has no gradient, is always in evaluation mode, moves with the model, but is no
    part of it: not in its checkpoints, not among its parameters. It is built and loaded
    where it is first needed; prediction never does.

    Args:
        cfg: config of the network; ``checkpoint``: the file of its weights.
        unused: regular expressions of the file's keys that aren't needed.
        hint: what to do where there is no file.
    """

    network: nn.Module | None
    #: names of the classes that the file says it was trained with
    saved_classes: Sequence[str] | None = None

    def __init__(
        self, cfg: Mapping[str, Any], unused: Sequence[str] = (), hint: str = ''
    ) -> None:
        super().__init__()
        self.cfg = dict(cfg)
        self.checkpoint = self.cfg.pop('checkpoint', None)
        self.unused, self.hint = tuple(unused), hint
        self.metainfo: dict[str, Any] = {}
        object.__setattr__(self, 'network', None)  # no sub-module

    def use_metainfo(self, metainfo: Mapping[str, Any]) -> None:
        """What the data set says of its classes, for the network if it listens."""
        self.metainfo = dict(metainfo)
        if self.network is not None and hasattr(self.network, 'use_metainfo'):
            self.network.use_metainfo(metainfo)

    def load(self, device: torch.device | str | None = None) -> nn.Module:
        """The network; the first call builds it and loads its weights, strictly.

        Args:
            device: where it is wanted at first.

        Raises:
            UserError: if no checkpoint is named.
            FileNotFoundError: if there is no such file.
            CheckpointMismatch: if keys, shapes or the number of classes differ.
        """
        if self.network is None:
            name = self.cfg.get('type')
            if self.checkpoint is None:
                raise UserError(
                    f'the checkpoint of the frozen {name} is not set. {self.hint}'
                )
            try:
                loaded = load_checkpoint_file(self.checkpoint, map_location='cpu')
            except FileNotFoundError as error:
                raise FileNotFoundError(f'{error} {self.hint}') from error
            meta = loaded.get('meta') or {}
            self.saved_classes = (meta.get('dataset_meta') or {}).get('classes')
            with torch.random.fork_rng(devices=()):  # a training draws on as before
                network = MODELS.build(self.cfg)
            load_to_predict(
                network,
                loaded,
                f'{self.checkpoint}, the frozen {name},',
                allow_unexpected=self.unused,
                fix=self.hint or FIX,
            )
            object.__setattr__(
                self, 'network', network.requires_grad_(False).eval().to(device)
            )
            if self.metainfo:
                self.use_metainfo(self.metainfo)
        return self.network

    def unload(self) -> None:
        """Forget the network, whose weights have been taken; it can be loaded again."""
        object.__setattr__(self, 'network', None)

    def _apply(self, fn: Callable, recurse: bool = True) -> FrozenNetwork:
        if self.network is not None:
            self.network._apply(fn, recurse)
        return super()._apply(fn, recurse)
