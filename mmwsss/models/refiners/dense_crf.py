# Licensed under Apache-2.0.
from __future__ import annotations

from torch import Tensor, nn

from mmwsss.ops import DENSE_CRF_PRESETS, dense_crf, unary_from_prob
from mmwsss.registry import MODELS


@MODELS.register_module()
class DenseCRF(nn.Module):
    """Dense CRF as a post-processor of probabilities (Krähenbühl and Koltun, 2011).

    Args:
        preset: a key of ``mmwsss.ops.DENSE_CRF_PRESETS``.
        **settings: single settings of :func:`mmwsss.ops.dense_crf` to replace.

    Raises:
        ValueError: if the preset or a setting is unknown.
    """

    def __init__(self, preset: str = 'toco_seg', **settings: float) -> None:
        super().__init__()
        if preset not in DENSE_CRF_PRESETS:
            raise ValueError(
                f'preset must be one of {sorted(DENSE_CRF_PRESETS)}, got {preset!r}')
        unknown = set(settings) - {*DENSE_CRF_PRESETS[preset], 'mode'}
        if unknown:
            raise ValueError(f'DenseCRF has no settings {sorted(unknown)}; known: '
                             f'{sorted(DENSE_CRF_PRESETS[preset])}')
        self.settings = {**DENSE_CRF_PRESETS[preset], **settings}

    def forward(self, pixels: Tensor, prob: Tensor) -> Tensor:
        """Refine probabilities.

        Args:
            pixels: (B, 3, H, W) RGB grey levels 0..255.
            prob: (B, L, H, W) probabilities.

        Returns:
            (B, L, H, W) marginals, float32.
        """
        return dense_crf(pixels.round(), unary_from_prob(prob), **self.settings)
