# Licensed under Apache-2.0.
"""Half precision in prediction."""

from __future__ import annotations

import torch

from mmwsss.env.cpu_bfloat16 import has_bfloat16
from mmwsss.io.errors import UserError, check_choice

#: name → type
PRECISIONS = dict(bf16=torch.bfloat16, fp16=torch.float16)


def autocast_for(precision: str | None, device: torch.device) -> torch.autocast:
    """The context in which a network predicts; all after its logits is float32.

    Args:
        precision: ``'bf16'``, ``'fp16'`` (on a GPU) or ``None``: float32.
        device: where the network is.

    Raises:
        UserError: if the device doesn't compute in it.
    """
    if precision is None:
        return torch.autocast(device.type, enabled=False)
    check_choice('amp', precision, PRECISIONS)
    if device.type == 'cpu' and (precision == 'fp16' or not has_bfloat16()):
        raise UserError(
            f'amp={precision!r} needs a GPU'
            + (
                ''
                if precision == 'fp16'
                else ' or a processor with bfloat16 instructions (avx512_bf16, '
                'amx_bf16; Arm: bf16), where it would be slower than float32 without'
            )
            + ': leave amp out'
        )
    return torch.autocast(device.type, PRECISIONS[precision])
