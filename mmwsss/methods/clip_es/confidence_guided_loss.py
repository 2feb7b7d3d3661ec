# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mmwsss.cam import IGNORE
from mmwsss.models.losses.pixel_cross_entropy import pixel_cross_entropy
from mmwsss.registry import MODELS


def confident_label(ids: Tensor, confidence: Tensor, conf_thr: float) -> Tensor:
    """A label whose unsure pixels are ignored.

    Args:
        ids: (…) int64 class ids.
        confidence: (…) in [0, 1], the largest probability of each pixel.
        conf_thr: μ: what is below is unsure (CLIP-ES: 0.95).

    Returns:
        (…) int64, 255 where the confidence is below the threshold.
    """
    return ids.masked_fill(confidence < conf_thr, IGNORE)


@MODELS.register_module()
class ConfidenceGuidedLoss(nn.Module):
    """Cross entropy of the pixels that the pseudo label is sure of (CLIP-ES, CGL).

    The mean over the pixels that count; 0 with zero gradient where none does. It stands
    where mmseg's decoders take a loss, ``loss_decode``. Masks of
    ``tools/generate_pseudo_labels.py`` say 255 where their confidence was below the
    labeler's threshold; a confidence that is given beside the label (``weight``, as
    mmseg calls what it hands on of each pixel) is held against ``conf_thr`` here.

    Args:
        conf_thr: μ, in [0, 1].
        loss_weight: factor.
        loss_name: under which mmseg logs it.

    Raises:
        ValueError: if ``conf_thr`` isn't in [0, 1].
    """

    def __init__(
        self,
        conf_thr: float = 0.95,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_cgl',
    ) -> None:
        super().__init__()
        if not 0 <= conf_thr <= 1:
            raise ValueError(f'conf_thr must be in [0, 1], got {conf_thr}')
        self.conf_thr, self.loss_weight = conf_thr, loss_weight
        self.loss_name = loss_name

    def forward(
        self,
        logits: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = IGNORE,
        **_: Any,
    ) -> Tensor:
        """The loss, 0-dim float32.

        Args:
            logits: (B, C + 1, h, w); resized bilinearly to the label.
            label: (B, H, W) int64.
            weight: (B, H, W) confidence in [0, 1], or ``None``.
            ignore_index: what the label says of pixels that don't count.
        """
        if ignore_index != IGNORE:
            label = label.masked_fill(label == ignore_index, IGNORE)
        if weight is not None:
            label = confident_label(label, weight, self.conf_thr)
        return self.loss_weight * pixel_cross_entropy(logits, label)

    def extra_repr(self) -> str:
        """Parameters for ``print(module)``."""
        return f'conf_thr={self.conf_thr}, loss_weight={self.loss_weight}'
