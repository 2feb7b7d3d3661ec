# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from mmpretrain.models import ResNet
from torch import Tensor

from mmwsss.io.checkpoint import load_checkpoint_file
from mmwsss.io.errors import check_choice
from mmwsss.models.converters.inflate import INFLATIONS, check_channels, inflated
from mmwsss.registry import MODELS


@MODELS.register_module()
class WSSSResNet(ResNet):
    """mmpretrain's ResNet that gives the map of its stem too.

    Args:
        pretrained: path or URL of ImageNet weights in torchvision's (and mmpretrain's)
            layout, e.g. ``'torchvision://resnet50'``, loaded by :meth:`init_weights`;
            a file that can't be had or doesn't fit is an error.
        in_channels: bands of the pictures.
        inflate: how RGB weights of ``pretrained`` are spread over other bands:
            ``'mean'`` or ``'rgb'``, see :func:`.inflate_weight`.
        **kwargs: of mmpretrain's ``ResNet``. ``frozen_stages=4, norm_eval=True``
            freezes all of it, statistics included; no graph is recorded then.
    """

    def __init__(
        self,
        *,
        pretrained: str | None = None,
        in_channels: int = 3,
        inflate: str = 'mean',
        **kwargs: Any,
    ) -> None:
        check_choice('inflate', inflate, INFLATIONS)
        super().__init__(in_channels=in_channels, **kwargs)
        self.pretrained = pretrained
        self.in_channels, self.inflate = in_channels, inflate

    def init_weights(self) -> None:
        """Initialise, from ``pretrained`` where it is given.

        Raises:
            ValueError: if the file's tensors aren't those of this network.
        """
        super().init_weights()
        if self.pretrained is None:
            return
        loaded = load_checkpoint_file(self.pretrained, map_location='cpu')
        try:
            first = 'stem.0.conv.weight' if self.deep_stem else 'conv1.weight'
            state = _plain_state(loaded)
            state = inflated(state, first, self.in_channels, self.inflate)
            self.load_state_dict(state, strict=True)
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f'{self.pretrained} does not fit this {type(self).__name__} (depth '
                f'{self.depth}): {error}'
            ) from error

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Stem and stages: maps (B, D, h, w), the final one last."""
        check_channels(images, self.in_channels)
        if self.deep_stem:
            stem = self.stem(images)
        else:
            stem = self.relu(self.norm1(self.conv1(images)))
        maps = [self.maxpool(stem)]
        for name in self.res_layers:
            maps.append(getattr(self, name)(maps[-1]))
        return tuple(maps)

    @property
    def map_widths(self) -> tuple[int, ...]:
        """Channels of the maps: stem and stages."""
        stages = (getattr(self, name)[-1].out_channels for name in self.res_layers)
        return (self.stem_channels, *stages)

    def train(self, mode: bool = True) -> WSSSResNet:
        """Set the mode; returns the module, which mmpretrain's own forgets."""
        super().train(mode)
        return self


def _plain_state(loaded: dict) -> dict[str, Tensor]:
    """The backbone's weights of a classifier's file, without the classifier."""
    state = loaded.get('state_dict', loaded)
    state = {key.removeprefix('backbone.'): value for key, value in state.items()}
    return {
        key: value
        for key, value in state.items()
        if not key.startswith(('fc.', 'head.'))
    }
