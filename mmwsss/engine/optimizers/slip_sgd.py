# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch.optim import SGD

from mmwsss.registry import OPTIMIZERS


@OPTIMIZERS.register_module()
class SlipSGD(SGD):
    """SGD as the releases of PSA, IRN, EPS, SMAF and SemFormer run it.

    Their optimizer class hands the weight decay over in the place of the momentum, and
    uses the number that is called momentum, 0.9, for the decay of the learning rate
    alone. The published rates (0.01, ten times that in the head; 0.1 in IRN) fit the
    tiny momentum: with 0.9 every step is in effect ten times as large.

    Args:
        params: parameters or groups; a group's own ``weight_decay`` decays it, but does
            not change the momentum.
        lr: learning rate.
        momentum: of SGD without the slip.
        weight_decay: L2 decay, and the momentum with the slip.
        momentum_slip: the released behaviour; ``False``: plain SGD with ``momentum``.
        **kwargs: of ``torch.optim.SGD``.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        momentum_slip: bool = True,
        **kwargs: Any,
    ) -> None:
        effective = weight_decay if momentum_slip else momentum
        super().__init__(params, lr, effective, weight_decay=weight_decay, **kwargs)
