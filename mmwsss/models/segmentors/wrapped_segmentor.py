# Licensed under Apache-2.0.
"""What goes around a segmentor and has it, without changing its names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from mmseg.models.segmentors import BaseSegmentor
from mmseg.structures import SegDataSample
from torch import Tensor, nn

PREFIX = 'segmentor.'


class WrappedSegmentor(BaseSegmentor):
    """A segmentor that has another one and passes on what it doesn't do itself.

    What it does is written out below; of the inner segmentor's attributes those of
    ``PASSED_ON`` are its own too, and no others.

    Parameters and checkpoint keys carry the names of the inner segmentor: checkpoints
    and optimizer settings fit both.

    Args:
        segmentor: the inner segmentor, built.
    """

    #: what a segmentor is made of and made for: the same inside and outside. Nothing of
    #: a training (terms, losses, weights), where a wrapper may have its own.
    PASSED_ON: ClassVar[frozenset[str]] = frozenset(
        (
            *('backbone', 'neck', 'decode_head', 'auxiliary_head'),  # of mmseg
            *('cam_head', 'aux_cam_head', 'labeler'),  # of ours
            *('num_classes', 'num_foreground', 'align_corners', 'out_channels'),
            *('test_cfg', 'teacher_network', 'image_labels'),
        )
    )

    def __init__(self, segmentor: BaseSegmentor) -> None:
        super().__init__(segmentor.data_preprocessor)
        self.segmentor = segmentor
        self.register_state_dict_post_hook(take_prefix)
        self.register_load_state_dict_pre_hook(add_prefix)

    def __getattr__(self, name: str) -> Any:
        """Of what this doesn't have, the inner segmentor's, if ``PASSED_ON`` says so.

        Raises:
            AttributeError: for all else: what trains or predicts may be another here.
        """
        try:
            return super().__getattr__(name)
        except AttributeError as error:
            if name in self.PASSED_ON:
                return getattr(self.segmentor, name)
            if name == 'segmentor' or not hasattr(self.segmentor, name):
                raise
            raise AttributeError(
                f'{type(self).__name__} has no {name!r}; the segmentor that it wraps '
                f'has one, which need not be what counts here: read it there, as '
                f'unwrap(model).{name}, or give {type(self).__name__} its own'
            ) from error

    def named_parameters(
        self, prefix: str = '', recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """The inner segmentor's, under its names."""
        if not recurse:
            return super().named_parameters(prefix, False, remove_duplicate)
        return self.segmentor.named_parameters(prefix, True, remove_duplicate)

    def use_metainfo(self, metainfo: Mapping[str, Any]) -> None:
        """Hand on what the data set says of its classes."""
        if hasattr(self.segmentor, 'use_metainfo'):
            self.segmentor.use_metainfo(metainfo)

    def init_weights(self) -> None:
        """Initialise the inner segmentor."""
        self.segmentor.init_weights()

    def loss(self, inputs: Any, data_samples: Any) -> dict[str, Tensor]:
        """The inner segmentor's training step."""
        return self.segmentor.loss(inputs, data_samples)

    def predict(
        self, inputs: Any, data_samples: Any = None, **overrides: Any
    ) -> list[SegDataSample]:
        """The inner segmentor's prediction."""
        return self.segmentor.predict(inputs, data_samples, **overrides)

    def extract_feat(self, inputs: Tensor) -> Any:
        """The inner segmentor's feature maps."""
        return self.segmentor.extract_feat(inputs)

    def encode_decode(self, inputs: Tensor, batch_data_samples: Any = None) -> Tensor:
        """The inner segmentor's logits."""
        return self.segmentor.encode_decode(inputs, batch_data_samples)

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Any:
        return self.segmentor._forward(inputs, data_samples)


def unwrap(model: nn.Module) -> nn.Module:
    """The innermost segmentor."""
    while isinstance(model, WrappedSegmentor):
        model = model.segmentor
    return model


def take_prefix(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Saved keys: without ``segmentor.``."""
    for key in [k for k in state if k.startswith(prefix + PREFIX)]:
        state[prefix + key.removeprefix(prefix + PREFIX)] = state.pop(key)


def add_prefix(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Loaded keys: with ``segmentor.``."""
    for key in [k for k in state if k.startswith(prefix)]:
        state[prefix + PREFIX + key.removeprefix(prefix)] = state.pop(key)
