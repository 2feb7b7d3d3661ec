# Licensed under Apache-2.0.
from __future__ import annotations

from torch import Tensor, nn

from mmwsss.cam import IGNORE, box_mask
from mmwsss.models.precision import in_float32
from mmwsss.ops import dense_energy
from mmwsss.registry import MODELS


@in_float32
def dense_energy_loss(
    pixels: Tensor,
    logits: Tensor,
    label: Tensor,
    box: Tensor | None = None,
    scale: float = 1e-7,
    sigma_rgb: float = 15.0,
    sigma_xy: float = 100.0,
    scale_factor: float = 0.5,
    exact_grad: bool = False,
) -> Tensor:
    """Dense-energy regulariser L_reg (ToCo, Eq. 9; its release).

    Args:
        pixels: (B, 3, H, W) grey levels 0..255.
        logits: (B, C + 1, H, W) decoder logits at image size.
        label: (B, H, W) pseudo label, 255 = unlabelled.
        box: (B, 4) real pixels (y0, y1, x0, x1), or ``None`` (the whole crop).
        scale: factor of the energy (1e-7 as published).
        sigma_rgb, sigma_xy: bandwidths in grey levels and in pixels at full size.
        scale_factor: the energy works at this fraction of the size.
        exact_grad: ``False`` = the published gradient, ``True`` = the derivative.

    Returns:
        0-dim float32 loss, negative.
    """
    roi = None if box is None else box_mask(box, tuple(label.shape[-2:])).to(logits)
    energy = dense_energy(
        pixels,
        logits.softmax(1),
        roi,
        label == IGNORE,
        sigma_rgb=sigma_rgb,
        sigma_xy=sigma_xy,
        scale_factor=scale_factor,
        exact_grad=exact_grad,
    )
    return scale * energy


@MODELS.register_module()
class DenseEnergyLoss(nn.Module):
    """Module form of :func:`dense_energy_loss`; arguments as there."""

    def __init__(
        self,
        scale: float = 1e-7,
        sigma_rgb: float = 15.0,
        sigma_xy: float = 100.0,
        scale_factor: float = 0.5,
        exact_grad: bool = False,
    ) -> None:
        super().__init__()
        self.settings = dict(
            scale=scale,
            sigma_rgb=sigma_rgb,
            sigma_xy=sigma_xy,
            scale_factor=scale_factor,
            exact_grad=exact_grad,
        )

    def forward(
        self, pixels: Tensor, logits: Tensor, label: Tensor, box: Tensor | None = None
    ) -> Tensor:
        """See :func:`dense_energy_loss`."""
        return dense_energy_loss(pixels, logits, label, box, **self.settings)
