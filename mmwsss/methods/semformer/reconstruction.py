# Licensed under Apache-2.0.
from __future__ import annotations

from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS


@in_float32
def reconstruction(image: Tensor, target: Tensor) -> Tensor:
    """Mean squared error L_recon between an image and the network's input.

    SemFormer, section 3.2.3; as released the target is the normalised, augmented crop.

    Args:
        image: (B, 3, H', W') the reconstruction.
        target: (B, 3, H, W), normalised; what the patches don't cover at the right and
            bottom edge isn't compared.

    Returns:
        0-dim float32 loss.

    Raises:
        ValueError: if the reconstruction is larger than its target.
    """
    height, width = image.shape[-2:]
    target = target[..., :height, :width]
    if target.shape != image.shape:
        raise ValueError(
            f'a reconstruction of {tuple(image.shape)} does not fit an '
            f'image of {tuple(target.shape)}'
        )
    return (image - target).square().mean()


@MODELS.register_module()
class Reconstruction(nn.Module):
    """Module form of :func:`reconstruction`."""

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """See :func:`reconstruction`."""
        return reconstruction(image, target)
