# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from mmwsss.io.checkpoint import load_checkpoint_file
from mmwsss.io.errors import UserError
from mmwsss.io.published import compare_classes, saved_classes
from mmwsss.io.weights import FIX, load_weights_strict


class FrozenParts(nn.Module):
    """Parts of a model that are never trained: they stand in a file of their own.

    No checkpoint of the model holds them, and none may; training and prediction read
    them from that file, once, where they are first needed. They are ordinary children
    of the model, move with it and have no gradient.

    Args:
        owner: the model, which keeps this object as a child.
        parts: names of its children.
        checkpoint: the file, whose keys begin with the parts' names; ``None``: it
            isn't set, and nothing can be made of pictures.
        hint: how such a file is made.

    Attributes:
        saved_classes: names of the classes that the file was made for, if it says so.
    """

    saved_classes: Sequence[str] | None = None

    def __init__(
        self,
        owner: nn.Module,
        parts: Sequence[str],
        checkpoint: str | None,
        hint: str = '',
    ) -> None:
        super().__init__()
        self.parts, self.checkpoint, self.hint = tuple(parts), checkpoint, hint
        self.loaded = False
        # no sub-module, and a copy of the model has one that belongs to the copy
        object.__setattr__(self, 'owner', owner)
        for part in self.parts:
            getattr(owner, part).requires_grad_(False).eval()
        owner._register_state_dict_hook(self._leave_out)
        owner._register_load_state_dict_pre_hook(self._keep)

    def load(self) -> None:
        """Read the weights, strictly; only the first call does.

        Raises:
            UserError: if no file is named.
            FileNotFoundError: if there is no such file.
            CheckpointMismatch: if keys, shapes or the number of classes differ.
        """
        if self.loaded:
            return
        if self.checkpoint is None:
            raise UserError(
                f'the file of the frozen {" and ".join(self.parts)} of '
                f'{type(self.owner).__name__} is not set. {self.hint}'
            )
        try:
            self.read(self.checkpoint)
        except FileNotFoundError as error:
            raise FileNotFoundError(f'{error} {self.hint}') from error
        self.loaded = True

    def read(self, path: str) -> None:
        """Fill the parts from a file."""
        loaded = load_checkpoint_file(path, map_location='cpu')
        self.saved_classes = saved_classes(loaded)
        source = f'{path}, the frozen {" and ".join(self.parts)},'
        self.fill(loaded.get('state_dict', loaded), source)

    def fill(self, state: dict[str, Tensor], source: str = 'the state dict') -> None:
        """Fill the parts from tensors.

        Args:
            state: ``<part>.<name>`` → tensor.
            source: name for messages.

        Raises:
            CheckpointMismatch: if keys or shapes differ.
        """
        named = nn.ModuleDict({part: getattr(self.owner, part) for part in self.parts})
        named.num_classes = getattr(self.owner, 'num_classes', None)
        load_weights_strict(named, state, source, fix=self.hint or FIX)
        self.loaded = True

    def check_classes(self, classes: Sequence[str] | None) -> None:
        """Compare the file's class names with those of the data.

        Raises:
            CheckpointMismatch: if they are others, or in another order.
        """
        compare_classes(self.saved_classes, classes, str(self.checkpoint))

    def train(self, mode: bool = True) -> FrozenParts:
        """The parts stay in evaluation mode, whatever the model's."""
        for part in self.parts:
            getattr(self.owner, part).eval()
        return super().train(mode)

    def _leave_out(
        self, module: nn.Module, state: dict[str, Any], prefix: str, *_: Any
    ) -> None:
        begins = tuple(f'{prefix}{part}.' for part in self.parts)
        for key in [key for key in state if key.startswith(begins)]:
            del state[key]

    def _keep(self, state: dict[str, Any], prefix: str, *_: Any) -> None:
        """What a checkpoint lacks stays as it is."""
        for part in self.parts:
            own = getattr(self.owner, part).state_dict()
            for name, value in own.items():
                state.setdefault(f'{prefix}{part}.{name}', value)
