# Licensed under Apache-2.0.
from __future__ import annotations

from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS

from .class_contrast import check_form


@in_float32
def activation_suppression(maps: Tensor, form: str = 'released') -> Tensor:
    """Activation suppression loss L_AS (SemFormer, Eq. 9), without its factor σ.

    Args:
        maps: (B, K, h, w) activation in [0, 1], background first; padding counts (with
            activation 0).
        form: ``'released'``: mean over the objects' channels, plus 1 minus the mean of
            the background, which so is encouraged. ``'paper'``: mean over all channels.

    Returns:
        0-dim float32 loss.
    """
    if check_form(form) == 'paper':
        return maps.mean()
    return maps[:, 1:].mean() + 1 - maps[:, 0].mean()


@MODELS.register_module()
class ActivationSuppression(nn.Module):
    """Module form of :func:`activation_suppression`.

    Args:
        form: see there.
    """

    def __init__(self, form: str = 'released') -> None:
        super().__init__()
        self.form = check_form(form)

    def forward(self, maps: Tensor) -> Tensor:
        """See :func:`activation_suppression`."""
        return activation_suppression(maps, self.form)
