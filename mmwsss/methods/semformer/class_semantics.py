# Licensed under Apache-2.0.
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmwsss.registry import MODELS

from .semantics import REDUCTIONS, class_embedding


@MODELS.register_module()
class ClassSemantics(BaseModule):
    """Embeds patch tokens class by class, beside what is learned of each class.

    SemFormer, section 3.2.2: the primary tokens are ``ReLU(t W_1)`` (Eq. 1), an image's
    class embedding is their sum, the semantics are ``ReLU(W_S)``.

    Args:
        in_channels: d of the patch tokens.
        num_classes: K, background included.
        channels: D of the class embeddings (256).
        reduction: see :func:`mmwsss.methods.semformer.semantics.class_embedding`.

    Raises:
        ValueError: if ``reduction`` is unknown.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: int = 256,
        reduction: str = 'sum',
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(
                f'reduction must be one of {REDUCTIONS}, got {reduction!r}'
            )
        self.shape = (num_classes, channels)
        self.reduction = reduction
        self.primary = nn.Linear(in_channels, num_classes * channels, bias=False)
        # a weight by its name too: published with weight decay
        self.table_weight = nn.Parameter(torch.randn(num_classes, channels))

    @property
    def semantics(self) -> Tensor:
        """S, (K, D), non-negative."""
        return self.table_weight.relu()

    def tokens(self, patches: Tensor) -> Tensor:
        """(B, L, d) patch tokens → (B, L, K, D) primary tokens."""
        return self.primary(patches).relu().unflatten(-1, self.shape)

    def embed(self, primary: Tensor) -> Tensor:
        """(B, L, K, D) primary tokens → (B, K, D) class embeddings, float32."""
        return class_embedding(primary, self.reduction)

    def embed_classes(self, patches: Tensor, ids: Tensor) -> Tensor:
        """Embeddings of some classes, by themselves: 2 or 3 of 21 are wanted.

        Args:
            patches: (P, L, d) patch tokens.
            ids: (P, S) int64 classes wanted of each image.

        Returns:
            (P, S, D), the entries of :meth:`embed`.
        """
        rows = self.primary.weight.unflatten(0, self.shape)[ids]  # (P, S, D, d)
        primary = torch.bmm(patches, rows.flatten(1, 2).to(patches.dtype).mT)
        return self.embed(F.relu(primary).unflatten(-1, rows.shape[1:3]))
