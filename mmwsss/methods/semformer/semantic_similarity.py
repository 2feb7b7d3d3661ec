# Licensed under Apache-2.0.
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS

from .semantics import clamped_cosine, gate_semantics


@in_float32
def semantic_similarity(
    embedding: Tensor, semantics: Tensor, labels: Tensor, gate: bool = False
) -> Tensor:
    r"""Semantic similarity loss L_SS and L'_SS (SemFormer, Eq. 2 and 12).

    .. math::
        \mathrm{BCE}(\cos(E_{bk}, S_k), Y_{bk})

    mean over images and classes, background included, with the clamped cosine.

    Args:
        embedding: (B, K, D), non-negative.
        semantics: (K, D), non-negative.
        labels: (B, K) in {0, 1}, background first.
        gate: a class's semantics learn only from the images that hold it (released).

    Returns:
        0-dim float32 loss.

    Raises:
        ValueError: if the shapes don't belong together.
    """
    if embedding.shape[1:] != semantics.shape or embedding.shape[:2] != labels.shape:
        raise ValueError(
            f'embedding (B, K, D) = {tuple(embedding.shape)} needs semantics (K, D) '
            f'and labels (B, K), got {tuple(semantics.shape)} and '
            f'{tuple(labels.shape)}'
        )
    if gate:
        semantics = gate_semantics(semantics, labels)
    # ReLU'd vectors have no negative cosine, but rounding may
    similarity = clamped_cosine(embedding, semantics).clamp_min(0)
    return F.binary_cross_entropy(similarity, labels.to(similarity.dtype))


@MODELS.register_module()
class SemanticSimilarity(nn.Module):
    """Module form of :func:`semantic_similarity`.

    Args:
        gate: see there; the auto-encoder's loss has it, the segmentor's semantics are
            frozen anyway.
    """

    def __init__(self, gate: bool = False) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, embedding: Tensor, semantics: Tensor, labels: Tensor) -> Tensor:
        """See :func:`semantic_similarity`."""
        return semantic_similarity(embedding, semantics, labels, self.gate)
