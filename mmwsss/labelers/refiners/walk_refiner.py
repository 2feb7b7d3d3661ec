# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from mmwsss.io.checkpoint import load_checkpoint_file
from mmwsss.io.published import load_to_predict
from mmwsss.registry import MODELS


@MODELS.register_module()
class RandomWalk(nn.Module):
    """Class maps that walk within the edges of a trained network.

    It moves class maps that have no background yet, so it is no refiner of
    probabilities: ``RandomWalkLabeler`` takes it. The network's weights are those of
    its own checkpoint and no part of the state of a model that uses it.

    Source: Ahn, Cho and Kwak (IRNet, CVPR 2019), section 4.2.

    Args:
        network: a network with ``walk(images, maps, **settings)``, ``stride`` (of the
            maps, in pixels) and ``data_preprocessor``, as ``AffinityNetwork``; or its
            config.
        checkpoint: path or URL of its weights, where it is a config.
        **settings: entries of its ``test_cfg`` to replace, e.g. ``beta=8``.

    Raises:
        ValueError: if a config comes without weights, or a network with them, or if
            maps can't walk in the network.
    """

    network: nn.Module

    def __init__(
        self, network: nn.Module | dict, checkpoint: str | None = None, **settings: Any
    ) -> None:
        super().__init__()
        if isinstance(network, nn.Module) == (checkpoint is not None):
            raise ValueError(
                'RandomWalk needs a trained network: give a module, or its config with '
                f'a checkpoint; got {type(network).__name__} and {checkpoint}'
            )
        if checkpoint is not None:
            network = _load(network, checkpoint)
        self.settings = settings
        # No sub-module: its weights would get into the checkpoints of a model.
        object.__setattr__(self, 'network', check_walkable(network).eval())

    @property
    def stride(self) -> int:
        """The grid of the maps that it takes, in pixels of the picture."""
        return self.network.stride

    def forward(
        self, pixels: Tensor | Sequence[Tensor], maps: Sequence[Tensor]
    ) -> list[Tensor]:
        """Let maps walk.

        Args:
            pixels: RGB grey levels 0..255, (B, 3, H, W) or a list of (3, H, W).
            maps: (K, h, w) class maps of each image at stride 4,
                ``class_maps(…, strides=(4,))`` of a CAM model; K may differ.

        Returns:
            (K, H, W) for each image, in [0, 1], divided by the maximum over classes.
        """
        cleaner = self.network.data_preprocessor
        images = [cleaner.normalise(image.to(cleaner.mean.device)) for image in pixels]
        maps = [one.to(cleaner.mean.device) for one in maps]
        return self.network.walk(images, maps, **self.settings)

    def _apply(
        self, fn: Callable[[Tensor], Tensor], recurse: bool = True
    ) -> RandomWalk:
        self.network._apply(fn, recurse)  # moves with what it is part of
        return super()._apply(fn, recurse)

    def train(self, mode: bool = True) -> RandomWalk:
        """The network stays in evaluation mode."""
        del mode
        return super().train(False)


def check_walkable(network: nn.Module) -> nn.Module:
    """The network, if it is one that maps can walk in.

    Raises:
        ValueError: if it isn't.
    """
    walks = callable(getattr(network, 'walk', None))
    if not walks or not isinstance(getattr(network, 'stride', None), int):
        raise ValueError(
            'a random walk needs a network with walk(images, maps) and stride, as '
            f'AffinityNetwork, got a {type(network).__name__}'
        )
    return network


def _load(cfg: dict, checkpoint: str) -> nn.Module:
    cfg = dict(cfg)
    if 'pretrained' in cfg.get('backbone', {}):
        cfg['backbone'] = {**cfg['backbone'], 'pretrained': None}
    network = MODELS.build(cfg)
    saved = load_checkpoint_file(checkpoint, map_location='cpu')
    load_to_predict(network, saved, checkpoint)
    return network.requires_grad_(False)
