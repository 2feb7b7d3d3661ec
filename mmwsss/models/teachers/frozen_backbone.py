# Licensed under Apache-2.0.
from __future__ import annotations

from torch import nn

from .frozen_parts import FrozenParts


class FrozenBackbone(FrozenParts):
    """A backbone as :class:`FrozenParts`: its file is its own ``pretrained``.

    The file may be of any layout that the backbone reads.

    Args:
        owner: the model.
        part: name of the backbone, its child.
        hint: how to come by such a file.
    """

    def __init__(self, owner: nn.Module, part: str, hint: str = '') -> None:
        path = getattr(getattr(owner, part), 'pretrained', None)
        super().__init__(owner, (part,), path, hint)

    def read(self, path: str) -> None:
        """Fill the backbone from a file."""
        (part,) = self.parts
        getattr(self.owner, part).take_weights(path)
