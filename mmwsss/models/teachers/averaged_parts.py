# Licensed under Apache-2.0.
from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import nn

from mmwsss.io.errors import UserError

from .ema_copy import EMACopy


class AveragedParts:
    """Moving averages of parts of a network, which teach it: start, follow, predict.

    Each part gets a child ``<part>_ema`` of the network, an :class:`.EMACopy`. The
    network is asked for at each call: copies of it keep their own averages.

    Args:
        network: whose parts are averaged.
        parts: names of its children; those that are ``None`` are left out.
    """

    def __init__(self, network: nn.Module, parts: Sequence[str]) -> None:
        self.parts = tuple(p for p in parts if getattr(network, p) is not None)
        for part in self.parts:
            setattr(network, f'{part}_ema', EMACopy(getattr(network, part)))

    def start(self, network: nn.Module) -> None:
        """The averages begin as copies of the parts."""
        for part in self.parts:
            getattr(network, f'{part}_ema').start_from(getattr(network, part))

    def follow(self, network: nn.Module, momentum: float) -> None:
        """The averages take up the weights that the last optimiser step left."""
        for part in self.parts:
            getattr(network, f'{part}_ema').follow(getattr(network, part), momentum)

    def network(self, network: Any) -> Any:
        """The network with averages in place of the parts; nothing is copied.

        Raises:
            UserError: if the backbone isn't averaged.
        """
        if 'backbone' not in self.parts:
            raise UserError(
                f'test_cfg.use_teacher=True, but {type(network).__name__} keeps no '
                'teacher of its backbone: leave it out'
            )
        teacher = copy.copy(network)
        averages = {p: getattr(network, f'{p}_ema').module for p in self.parts}
        teacher._modules = {**network._modules, **averages}
        return teacher
