# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmwsss.io.errors import UserError
from mmwsss.io.weights import CheckpointMismatch
from mmwsss.registry import MODELS


@MODELS.register_module()
class ClassTexts(nn.Module):
    """Text vectors of a data set's classes and of background words, as buffers.

    They are made once, by ``tools/model_converters/clip.py``, and come with the
    checkpoint: neither training nor prediction needs a text encoder.

    Args:
        num_classes: C + 1, background included; from the model.
        num_background: M, background words, 25 with CLIP-ES's on VOC, 23 on COCO.
        text_dims: E, width of the texts' space, that of the image encoder.

    Attributes:
        foreground: (C, E) unit vectors, class id c in row c − 1.
        background: (M, E) unit vectors.
        logit_scale: () logarithm of the scale of cosines, log 100 in CLIP.
    """

    foreground: Tensor
    background: Tensor
    logit_scale: Tensor

    def __init__(
        self, num_classes: int, num_background: int = 25, text_dims: int = 512
    ) -> None:
        super().__init__()
        for name, count in dict(
            foreground=num_classes - 1, background=num_background
        ).items():
            self.register_buffer(name, torch.zeros(count, text_dims))
        self.register_buffer('logit_scale', torch.tensor(100.0).log())

    @property
    def scale(self) -> Tensor:
        """() factor of the cosines."""
        return self.logit_scale.float().exp()

    def check(self) -> None:
        """Refuse to work with vectors that were never loaded.

        Raises:
            UserError: if a class has none.
        """
        if not bool(self.foreground.any()):
            raise UserError(
                'the text vectors of the classes are not loaded: make a checkpoint '
                'with them by tools/model_converters/clip.py ... --config CONFIG'
            )

    def refuse_weights(self, own: Mapping[str, Tensor], source: str) -> None:
        """Refuse a file's vectors of another space, or of other background words.

        Raises:
            CheckpointMismatch: naming both.
        """
        found = own.get('background')
        if found is None or found.dim() != 2 or found.shape == self.background.shape:
            return
        (words, width), (count, dims) = found.shape, self.background.shape
        if width != dims:
            raise CheckpointMismatch(
                f'{source} has text vectors {width} wide, those of this image encoder '
                f'are {dims} wide: they are of another CLIP. Convert the same file for '
                'both, tools/model_converters/clip.py --config'
            )
        raise CheckpointMismatch(
            f'{source} has vectors of {words} background words, the config of {count}: '
            f'set model.texts.num_background={words}'
        )
